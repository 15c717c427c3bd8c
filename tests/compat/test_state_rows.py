"""Section 5 of the contract, row by row: which test says what becomes of it here.

5.2 and 5.6 are tables of their own, in test_state_contract.py and test_environment_contract.py.
"""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
STATE, ENVIRONMENT = "compat/test_state_contract.py", "compat/test_environment_contract.py"
CLUSTER, REPLICAS = "kubernetes/test_storage.py", "kubernetes/test_replicas.py"

ROWS = {
    "5.1 directory 0700": (ENVIRONMENT, "test_5_1_files_are_the_owners_alone_and_a_disabled_seal_mode_writes_no_state"),
    "5.1 SealMode Disabled writes nothing": ("journal/test_vault.py", "test_seal_mode_disabled_writes_nothing"),
    "5.1 sealed_data: ours is sealed too": (STATE, "test_5_1_no_file_shows_a_secret_or_the_manifest"),
    "5.1 sealed_data of MarbleRun's": (
        ENVIRONMENT,
        "test_5_1_a_state_of_marbleruns_in_the_directory_is_left_alone_and_said",
    ),
    "5.1 sealed_key: the key, wrapped": ("journal/test_vault.py", "test_what_was_founded_opens_on_the_same_machine"),
    "5.1 recovery data in clear, and who changes it": (
        "faults/test_recovery_by_owners.py",
        "test_a_plan_that_somebody_changed_recovers_nothing_and_the_right_one_still_does",
    ),
    "5.1 *.old": (
        "faults/test_recovery.py",
        "test_on_another_machine_it_waits_for_recovery_and_the_old_state_is_never_overwritten",
    ),
    "5.1 *.tmp: a write is whole, or is not": (
        "journal/test_power_failure.py",
        "test_what_was_acknowledged_is_there_and_nothing_else_but_the_next_append",
    ),
    "5.1 AzureHSMSealing": (
        "manifest/test_manifest_rules.py",
        "test_a_document_that_breaks_a_rule_is_refused",
    ),
    "5.3 0 keys": (
        "compat/test_recovery_contract.py",
        "test_1_12_a_manifest_without_recovery_keys_cannot_be_recovered",
    ),
    "5.3 1 key; n keys, threshold 0 or n; n keys, t < n": (
        STATE,
        "test_5_3_shares_have_the_contracts_length_and_as_many_as_it_says_open_the_state",
    ),
    "5.3 keys of 16 bytes": (
        "compat/test_recovery_contract.py",
        "test_1_12_an_unknown_share_is_500_and_locks_nobody_out",
    ),
    "5.4 no state": (STATE, "test_5_4_without_a_state_each_start_makes_a_new_hierarchy"),
    "5.4 a state and its key": (
        "faults/test_restart.py",
        "test_everything_survives_a_restart_without_and_with_a_snapshot",
    ),
    "5.4 key missing or unusable": (
        STATE,
        "test_5_4_without_its_key_a_state_waits_under_a_hierarchy_in_memory_and_nothing_is_written",
    ),
    "5.4 damaged state": (
        "faults/test_disk.py",
        "test_a_flipped_byte_in_the_journal_is_refused_and_the_record_is_named",
    ),
    "5.4 EDG_STARTUP_MANIFEST, first start and restart": (
        ENVIRONMENT,
        "test_5_4_a_start_up_manifest_is_set_once_and_a_restart_goes_on",
    ),
    "5.4 EDG_STARTUP_MANIFEST, refused": (ENVIRONMENT, "test_5_4_a_start_up_manifest_that_is_refused_ends_the_start"),
    "5.4 EDG_STARTUP_MANIFEST, recovery secrets and a lost key": (
        STATE,
        "test_5_4_with_a_lost_key_a_start_up_manifest_replaces_nothing_and_shares_wait_for_their_owners",
    ),
    "5.4 ProductKey and UniqueKey": (
        "faults/test_recovery.py",
        "test_another_program_cannot_unseal_with_a_unique_key_and_can_with_the_products",
    ),
    "5.5 EDG_DISTRIBUTED_COORDINATOR, EDG_STORE_BACKEND": (
        ENVIRONMENT,
        "test_5_6_what_this_version_does_not_do_is_refused_not_ignored",
    ),
    "5.5 Secrets that hold the state": (REPLICAS, "test_the_state_is_in_secrets_that_show_nothing"),
    "5.5 resourceVersion: who lost a race": (CLUSTER, "test_whoever_opens_the_storage_stops_its_earlier_owner"),
    "5.5 the key under which it is sealed, per node": (
        "coordinator/test_replicas_key.py",
        "test_a_wrapped_copy_is_kept_for_who_holds_the_key_and_for_nobody_else",
    ),
    "5.5 the key service, and whom it accepts": (
        "coordinator/test_replicas_key.py",
        "test_who_is_not_another_instance_gets_nothing",
    ),
    "5.5 a replica joins": (
        "coordinator/test_replicas_key.py",
        "test_another_instance_gets_the_key_and_leads_on_a_machine_that_never_sealed_it",
    ),
    "5.5 RBAC": ("kubernetes/test_cluster.py", "test_its_account_may_do_what_it_needs_and_nothing_else"),
    "5.5 no leader there, one here": (
        "kubernetes/test_leadership.py",
        "test_any_replica_answers_anything_and_limits_are_exact_over_a_kill_of_the_leader",
    ),
    "5.5 recovery with replicas": (REPLICAS, "test_owners_recover_what_all_replicas_have_lost_with_their_keys"),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_section_5_has_the_test_that_is_named_here(row: str) -> None:
    file, name = ROWS[row]
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    assert name in {function.name for function in functions}, f"{file} has no {name}"
