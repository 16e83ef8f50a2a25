// SunPKCS11 with the module that the configuration file names: each key of the card signs.

import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.SecureRandom;
import java.security.Security;
import java.security.Signature;
import java.util.Collections;

public class SunPkcs11 {
    static final byte[] MESSAGE = "To be signed by a card and verified by Java".getBytes();

    public static void main(String[] arguments) throws Exception {
        Provider card = Security.getProvider("SunPKCS11").configure(arguments[0]);
        KeyStore keys = KeyStore.getInstance("PKCS11", card);
        keys.load(null, "648219".toCharArray());
        for (String alias : Collections.list(keys.aliases())) {
            PrivateKey key = (PrivateKey) keys.getKey(alias, null);
            String name = key.getAlgorithm().equals("EC") ? "SHA256withECDSA" : "SHA256withRSA";
            Signature signing = Signature.getInstance(name, card);
            signing.initSign(key);
            signing.update(MESSAGE);
            // By Java's own code: the card has no part in it.
            Signature verifying = Signature.getInstance(name);
            verifying.initVerify(keys.getCertificate(alias));
            verifying.update(MESSAGE);
            if (!verifying.verify(signing.sign())) {
                throw new AssertionError(name + " does not verify");
            }
            System.out.println(alias + ": " + name + " verifies");
        }
        byte[] random = new byte[100];
        SecureRandom.getInstance("PKCS11", card).nextBytes(random);
    }
}
