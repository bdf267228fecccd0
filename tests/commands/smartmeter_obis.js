// A data readout by smartmeter-obis on the port that is named: prints the measurements as JSON.
const obis = require(process.argv[2] + '/smartmeter-obis');

const found = {};
const transport = obis.init(
  {
    protocol: 'D0Protocol',
    transport: 'SerialRequestResponseTransport',
    transportSerialPort: process.argv[3],
    transportSerialMessageTimeout: 15000,
    protocolD0WakeupCharacters: Number(process.argv[4]),
    requestInterval: -1,
    logger: console.error,
    debug: 1,
  },
  (error, measurements) => {
    if (error) {
      console.error(error);
      process.exit(1);
    }
    for (const [name, measurement] of Object.entries(measurements)) found[name] = measurement.getRawValue();
    console.log(JSON.stringify(found));
  },
);
transport.process();
