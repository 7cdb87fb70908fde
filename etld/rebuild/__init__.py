"""`etld rebuild`: records are read again into a shadow of the table, which then replaces the rows it stands for.

One event type at a time, in the process of the command: `handler` reads as a processor does, with positions of its own,
so that whoever is killed goes on where it stood. `compare` says in what shadow and table differ while all go on, and
`exchange` changes just that, in one transaction in which the processors of the type stand still.
"""
