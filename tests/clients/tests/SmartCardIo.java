// javax.smartcardio: a card is found, selected, logged in to, and signs with each of its keys.

import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.util.HexFormat;
import java.util.List;
import javax.smartcardio.Card;
import javax.smartcardio.CardChannel;
import javax.smartcardio.CardException;
import javax.smartcardio.CardTerminal;
import javax.smartcardio.CommandAPDU;
import javax.smartcardio.ResponseAPDU;
import javax.smartcardio.TerminalFactory;

public class SmartCardIo {
    static final byte[] APPLET = HexFormat.of().parseHex("E82B0601040181C31F0201");
    static byte[] message;

    public static void main(String[] arguments) throws Exception {
        message = Files.readAllBytes(Path.of(arguments[0]));
        CardTerminal reader = TerminalFactory.getDefault().terminals().list().get(0);
        if (!reader.waitForCardPresent(0)) throw new AssertionError("no card in " + reader);
        Card card = reader.connect("T=1");
        System.out.println(reader.getName());
        System.out.println(HexFormat.of().formatHex(card.getATR().getBytes()));
        card.beginExclusive();
        CardChannel channel = card.getBasicChannel();
        send(channel, 0x00, 0xA4, 0x04, 0x00, APPLET, 256);
        send(channel, 0x00, 0x20, 0x00, 0x81, "648219".getBytes(), 0);
        // Key 1 is RSA's, with PKCS #1 v1.5, and key 2 is EC's.
        check(channel, 1, 0x33, "SHA256withRSA");
        check(channel, 2, 0x73, "SHA256withECDSA");
        byte[] random = send(channel, 0x00, 0x84, 0x00, 0x00, new byte[0], 1000);
        if (random.length != 1000) throw new AssertionError(random.length + " random bytes");
        card.endExclusive();
        card.disconnect(true);
    }

    /** Signs with a key, and verifies with its certificate, which is in an elementary file. */
    static void check(CardChannel channel, int key, int algorithm, String name) throws Exception {
        byte[] offset = {0x54, 0x02, 0x00, 0x00};
        byte[] file = send(channel, 0x00, 0xB1, 0xCE, key, offset, 65536);
        var certificates = CertificateFactory.getInstance("X.509");
        var certificate = certificates.generateCertificate(new ByteArrayInputStream(file));
        Signature verifying = Signature.getInstance(name);
        verifying.initVerify(certificate.getPublicKey());
        verifying.update(message);
        if (!verifying.verify(send(channel, 0x80, 0x68, key, algorithm, message, 65536))) {
            throw new AssertionError(name + " does not verify");
        }
        System.out.println(name + " verifies");
    }

    static byte[] send(CardChannel channel, int cla, int ins, int p1, int p2, byte[] data, int le)
            throws CardException {
        ResponseAPDU response = channel.transmit(new CommandAPDU(cla, ins, p1, p2, data, le));
        // 6282: the file has ended.
        if (!List.of(0x9000, 0x6282).contains(response.getSW())) {
            throw new AssertionError(String.format("%02X: %04X", ins, response.getSW()));
        }
        return response.getData();
    }
}
