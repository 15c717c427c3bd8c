"""The vault: a sealed, hash-chained journal over a storage that nobody trusts.

`record` says what one record is, `key` how its key is kept, `storage` what a place must be able to do,
`journal` how events get there in order and durably.  The host can delete the whole journal, or put an older
whole one in its place; it cannot read, change, reorder, cut or mix records without being named for it.
"""
