"""`enclasp kubernetes …`: into a cluster, out of it, and what runs there."""

import click

from coordinator.cli.group import Group
from coordinator.cli.kubernetes_check import check
from coordinator.cli.kubernetes_controller import controller, objects
from coordinator.cli.kubernetes_init_data import init_data
from coordinator.cli.kubernetes_install import install, uninstall
from coordinator.cli.kubernetes_reference import reference
from coordinator.cli.kubernetes_webhook import webhook


@click.group(cls=Group)
def kubernetes() -> None:
    """Run Enclasp on Kubernetes."""


for command in (install, check, uninstall, webhook, controller, objects, init_data, reference):
    kubernetes.add_command(command)
