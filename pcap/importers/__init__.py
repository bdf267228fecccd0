"""The importers of text logs and of logic analysers' files. They return the recordings of other programs as bursts.

- :mod:`~vtctap.pcap.importers.forms` is the table of the forms of logs. Start here: a new form is a new row.
- :mod:`~vtctap.pcap.importers.logs` reads a log by its form, and recognises the form.
- :mod:`~vtctap.pcap.importers.hexadecimal` and :mod:`~vtctap.pcap.importers.escapes` decode octets,
  :mod:`~vtctap.pcap.importers.stamps` times; :mod:`~vtctap.pcap.importers.lines` splits a file into lines.
- :mod:`~vtctap.pcap.importers.levels`, :mod:`~vtctap.pcap.importers.sigrok` and :mod:`~vtctap.pcap.importers.saleae`
  read logic analysers' files; :mod:`~vtctap.pcap.importers.wires` and :mod:`~vtctap.pcap.importers.uart` decode them.
- :mod:`~vtctap.pcap.importers.sides` assigns senders where a recording names none.
- :mod:`~vtctap.pcap.importers.account` notes which parts of a file could not be used.
"""
