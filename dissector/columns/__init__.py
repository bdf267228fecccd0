"""Columns: many records of a trace to Arrow columns at once, without an object for each record.

How a batch of records (:class:`~vtctap.pcap.batch.Batch`) becomes a table:

1. :mod:`~vtctap.dissector.columns.content`: which frames are plain, their data sets, and their *forms*, which are what
   many frames have in common. :mod:`~vtctap.dissector.columns.data_sets` finds the data sets by a structural index
   over all octets, :mod:`~vtctap.dissector.columns.octets` takes text from the file's octets as Arrow slices, and
   :mod:`~vtctap.dissector.columns.forms` numbers what is equal.
2. :mod:`~vtctap.dissector.columns.links`: which of them are regular: requests with their answers, and data that nobody
   requested. :mod:`~vtctap.dissector.columns.places` holds their numbers, times and sessions.
3. :mod:`~vtctap.dissector.columns.batches` walks through the batch: regular frames are passed over, and all others are
   dissected one by one, in order, by the exact :class:`~vtctap.dissector.dissect.Dissector`.
4. :mod:`~vtctap.dissector.columns.assembly`: the columns of regular frames, computed or taken from one frame of their
   form, which is decoded the exact way; and the other rows at their places.

So no meaning is written here a second time, and each column of each record is what the exact way gives:
``bench/columns_difference.py`` compares them. It takes NumPy and pyarrow (the extra ``parquet``).
"""
