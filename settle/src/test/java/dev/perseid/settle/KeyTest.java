package dev.perseid.settle;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.math.BigInteger;
import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.Test;

class KeyTest {
  private static final BigInteger N =
      new BigInteger("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16);

  private static Key key(long number) {
    return Key.of(HexFormat.of().parseHex(String.format("%064x", number)));
  }

  @Test
  void keccakIsEthereumsAndNotSha3() {
    assertThat(Keccak.hash(new byte[0]).hex())
        .isEqualTo("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
  }

  @Test
  void addressesAreThoseOfKnownKeys() {
    assertThat(key(1).address())
        .isEqualTo(Address.parse("0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"));
    assertThat(Key.of(Keccak.hash("cow".getBytes(UTF_8)).bytes()).address())
        .isEqualTo(Address.parse("0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"));
  }

  @Test
  void signsTheMailOfEip712AsTheStandardSays() {
    Hash digest = Hash.parse("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2");
    String signature =
        "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d"
            + "07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562"
            + "1c";
    Key cow = Key.of(Keccak.hash("cow".getBytes(UTF_8)).bytes());
    assertThat(cow.sign(digest)).isEqualTo(signature);
    assertThat(Key.recover(digest, signature)).contains(cow.address());
    assertThat(Key.recover(digest, "0x" + signature)).contains(cow.address());
  }

  @Test
  void signsByRfc6979() {
    // Key 1 over SHA-256("Satoshi Nakamoto"): the vector that Bitcoin's libraries share.
    Hash digest = Hash.sha256("Satoshi Nakamoto".getBytes(UTF_8));
    assertThat(key(1).sign(digest))
        .startsWith(
            "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
                + "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5");
  }

  @Test
  void whoSignedIsFoundAndNobodyElse() {
    long seed = 1_030;
    Random random = new Random(seed);
    for (int i = 0; i < 200; i++) {
      byte[] secret = new byte[32];
      random.nextBytes(secret);
      Key key = Key.of(secret);
      byte[] message = new byte[32];
      random.nextBytes(message);
      Hash digest = Hash.of(message);
      String signature = key.sign(digest);
      assertThat(signature).as("seed %d", seed).matches("[0-9a-f]{128}1[bc]");
      assertThat(Key.recover(digest, signature)).as("seed %d", seed).contains(key.address());
      message[random.nextInt(32)] ^= (byte) (1 << random.nextInt(8));
      assertThat(Key.verify(Hash.of(message), signature, key.address()))
          .as("seed %d", seed)
          .isFalse();
    }
  }

  @Test
  void refusesMalformedSignatures() {
    Key key = key(7);
    Hash digest = Hash.sha256(new byte[] {1});
    String good = key.sign(digest);
    String r = good.substring(0, 64);
    String s = good.substring(64, 128);
    String v = good.substring(128);
    String highS = String.format("%064x", N.subtract(new BigInteger(s, 16)));
    String zero = "0".repeat(64);
    String order = N.toString(16);
    // The same signature with the other s is valid ECDSA, but EIP-2 forbids it.
    assertThat(Key.recover(digest, r + highS + (v.equals("1b") ? "1c" : "1b"))).isEmpty();
    assertThat(Key.recover(digest, "")).isEmpty();
    assertThat(Key.recover(digest, "0x")).isEmpty();
    assertThat(Key.recover(digest, good.substring(2))).isEmpty();
    assertThat(Key.recover(digest, good + "00")).isEmpty();
    assertThat(Key.recover(digest, "zz" + good.substring(2))).isEmpty();
    for (String badV : new String[] {"00", "01", "1a", "1d", "1e", "ff"}) {
      assertThat(Key.recover(digest, r + s + badV)).as("v %s", badV).isEmpty();
    }
    assertThat(Key.recover(digest, zero + s + v)).isEmpty();
    assertThat(Key.recover(digest, r + zero + v)).isEmpty();
    assertThat(Key.recover(digest, order + s + v)).isEmpty();
    assertThat(Key.recover(digest, r + order + v)).isEmpty();
    // 5 is the x of no point on the curve.
    assertThat(Key.recover(digest, String.format("%064x", 5) + s + v)).isEmpty();
    // The other parity is another signer, never this one.
    assertThat(Key.recover(digest, r + s + (v.equals("1b") ? "1c" : "1b")))
        .isPresent()
        .isNotEqualTo(java.util.Optional.of(key.address()));
  }

  @Test
  void refusesSecretsOutOfRange() {
    assertThatThrownBy(() -> Key.of(new byte[32])).hasMessageContaining("from 1 to n - 1");
    assertThatThrownBy(() -> Key.of(HexFormat.of().parseHex(N.toString(16))))
        .hasMessageContaining("from 1 to n - 1");
    assertThatThrownBy(() -> Key.of(new byte[31])).hasMessageContaining("32 bytes");
  }

  @Test
  void isNeverPrinted() {
    Key key = Key.generate();
    assertThat(key.toString())
        .contains(key.address().toString())
        .doesNotContain(HexFormat.of().formatHex(key.secretBytes()));
    assertThat(Key.generate().address()).isNotEqualTo(key.address());
  }
}
