# Sends commands to the card in a reader, in hexadecimal, and prints a line for each response.
import sys

from smartcard.System import readers
from smartcard.util import toBytes, toHexString

name, *commands = sys.argv[1:]
reader = next(reader for reader in readers() if str(reader) == name)
connection = reader.createConnection()
connection.connect()
for command in commands:
    data, high, low = connection.transmit(toBytes(command))
    print(toHexString(data + [high, low]))
connection.disconnect()
