"""The vault: a sealed, hash-chained journal over a storage that nobody trusts.

`record` says what one record is, `chain` how records follow each other, `key` how their key is kept, `keyring` what
stands in clear beside them, `storage` what a place must be able to do, `journal` how events get there in order and
durably, `archive` where the Evidence behind them is kept.  The host can delete the whole journal, or put an older
whole one in its place; it cannot read, change, reorder, cut or mix records without being named for it.
"""
