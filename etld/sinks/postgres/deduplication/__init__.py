"""Which events of a batch are stored already: in their own partition of the table, and in the others of the window.

A batch goes into the leaves (partitions) that the times of its rows say. In one leaf a unique index on event_id
arbitrates. Over leaves it is this: `current` is the newest leaf that has been written. A batch whose rows all belong
there holds an advisory lock shared with others of its kind; any other batch (older rows, or the first of a newer leaf)
holds it alone. So what an ordinary batch sees in the other leaves is final, and it may look there without a lock on
rows. The look is spared where a filter knows all ids of a leaf: it was made at one moment, in which the leaf had the
same `version` as now; whoever writes a leaf that is not current gives it a new one, drawn at random, so that a database
that was set back to an earlier state never meets a filter of a state that it has lost.
"""
