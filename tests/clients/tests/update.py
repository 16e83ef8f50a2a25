# Py-GP replaces a card's firmware by that of the package in a file, with the keys that follow from
# the master key that everybody knows.
import sys
import zipfile

# Py-GP brings pyscard's layer for PC/SC, built for Windows; this is the same one for this machine.
import smartcard.scard

sys.modules["pygp.connection.pcsc"] = smartcard.scard

import pygp
from pygp.crypto import DES3_ECB
from pygp.loadfile import Loadfile

MASTER_KEY = "404142434445464748494A4B4C4D4E4F"
CARD_MANAGER = "A000000151000000"
PACKAGE = "E82B0601040181C31F027F01"
MODULE = PACKAGE + "01"
APPLET = "E82B0601040181C31F0201"

way, reader, level, file = sys.argv[1:]


def of_card(number, diversification):
    half = diversification[8:20]
    return DES3_ECB("%sF0%02X%s0F%02X" % (half, number, half, number), MASTER_KEY)


pygp.set_log_mode(pygp.CONSOLE_TRACE | pygp.INFO_LEVEL | pygp.APDU)
pygp.terminal(reader)
pygp.card()
pygp.send("8050010008 0102030405060708 00", raw_mode=True)
diversification = pygp.last_response()
keys = [of_card(number, diversification) for number in (1, 2, 3)]
pygp.get_cplc()
pygp.get_key_information()
options = pygp.get_data("0066").partition("640B06092A864886FC6B0402")[2][:2]
pygp.auth(*keys, scp="02", scpi=options, keysetversion="01", securitylevel=int(level))
pygp.ls()

if way == "in-steps":
    pygp.delete(APPLET)
    pygp.delete_package(PACKAGE)
    digest = Loadfile(file).get_load_file_data_hash()
    pygp.install_load(file, CARD_MANAGER, load_file_data_block_hash=digest)
    pygp.load_file(file, block_size=239)
    pygp.install(True, PACKAGE, MODULE, APPLET)
elif way == "at-once":
    components = Loadfile(file).components
    with zipfile.ZipFile("firmware.cap", "w") as cap:
        for name, component in components.items():
            cap.writestr("hsm/javacard/%s.cap" % name, bytes.fromhex(component))
    pygp.delete_package(PACKAGE)
    pygp.upload_install("firmware.cap", CARD_MANAGER, MODULE, APPLET)

assert pygp.last_status() == "9000", pygp.last_status()
pygp.ls()
pygp.close()
print("all is well")
