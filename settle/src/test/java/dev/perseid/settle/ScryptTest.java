package dev.perseid.settle;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.HexFormat;
import org.bouncycastle.crypto.generators.SCrypt;
import org.junit.jupiter.api.Test;

class ScryptTest {
  @Test
  void agreesWithRfc7914() {
    // The RFC prints 64 bytes; the first 32 are the same by PBKDF2's construction.
    assertThat(hex("", "", 16, 1, 1))
        .isEqualTo("77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442");
    assertThat(hex("password", "NaCl", 1024, 8, 16))
        .isEqualTo("fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162");
  }

  @Test
  void agreesWithBouncyCastle() {
    int[][] parameters = {{2, 1, 1}, {64, 2, 3}, {256, 3, 2}, {32, 8, 1}};
    for (int[] q : parameters) {
      byte[] password = ("p" + q[0]).getBytes(UTF_8);
      byte[] salt = ("s" + q[1]).getBytes(UTF_8);
      assertThat(Scrypt.derive(password, salt, q[0], q[1], q[2]))
          .isEqualTo(SCrypt.generate(password, salt, q[0], q[1], q[2], 32));
    }
  }

  private static String hex(String password, String salt, int n, int r, int p) {
    return HexFormat.of()
        .formatHex(Scrypt.derive(password.getBytes(UTF_8), salt.getBytes(UTF_8), n, r, p));
  }
}
