"""The importers of texts and of logic analysers: recordings of other programs, as bursts.

- :mod:`~vtctap.pcap.importers.forms` is the table of the forms that logs have. Start here: a new form is a row of it.
- :mod:`~vtctap.pcap.importers.logs` reads a log by its form, and recognises the form.
- :mod:`~vtctap.pcap.importers.hexadecimal` and :mod:`~vtctap.pcap.importers.escapes` take notations of octets apart,
  :mod:`~vtctap.pcap.importers.stamps` times, :mod:`~vtctap.pcap.importers.lines` files.
- :mod:`~vtctap.pcap.importers.account` keeps what could not be used of a file.
"""
