package dev.perseid.settle;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;

class SignedRequestTest {
  private static final Address POOL = Address.parse("0x00000000000000000000000000000000000000aa");
  private static final Key KEY = Key.of(HexFormat.of().parseHex("01".repeat(32)));
  private static final Hash BODY = Hash.sha256("{}".getBytes(UTF_8));
  private static final Hash NONCE = Hash.parse("22".repeat(32));
  private static final String TARGET = "/v1/chat/completions?a=1";

  private static SignedRequest signed() {
    return SignedRequest.sign(
        KEY, POOL, "consumer", "POST", TARGET, BODY, 1_767_225_600_000L, NONCE);
  }

  /// The vector of docs/authentication.md.
  @Test
  void theVectorHolds() {
    assertThat(KEY.address().toString()).isEqualTo("0x1a642f0e3c3af545e7acbd38b07251b3990914f1");
    assertThat(Digests.request(POOL, signed(), "POST", TARGET).hex())
        .isEqualTo("2b20e6f3f4ca8dba0bbeb04658a7391c60aee2d1e195ca952d6fc7180f4b468c");
    assertThat(signed().header())
        .isEqualTo(
            "Perseid-Request caller=1a642f0e3c3af545e7acbd38b07251b3990914f1,role=consumer,"
                + "time=1767225600000,nonce="
                + "22".repeat(32)
                + ",body=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a,"
                + "signature=3c7ee1ccfc6184ca2fa486f6cf801ca7f2ddb790c9f6df053369381549c6647e"
                + "3a5f673105c36eb40eb6f6cec3f74c2e7b771983457309e3634e60f92ac550e51b");
  }

  @Test
  void whatWasSignedIsBound() {
    SignedRequest r = SignedRequest.parse(signed().header()).orElseThrow();
    assertThat(r).isEqualTo(signed());
    assertThat(r.isSigned(POOL, "POST", TARGET)).isTrue();
    assertThat(r.isSigned(KEY.address(), "POST", TARGET)).isFalse();
    assertThat(r.isSigned(POOL, "PUT", TARGET)).isFalse();
    assertThat(r.isSigned(POOL, "POST", "/v1/chat/completions")).isFalse();
    String header = signed().header();
    for (String changed :
        new String[] {
          header.replace("role=consumer", "role=operator"),
          header.replace("time=1767225600000", "time=1767225600001"),
          header.replace("nonce=22", "nonce=23"),
          header.replace("body=44", "body=45"),
          header.replace("caller=1a", "caller=1b")
        }) {
      assertThat(changed).isNotEqualTo(header);
      assertThat(SignedRequest.parse(changed).orElseThrow().isSigned(POOL, "POST", TARGET))
          .as(changed)
          .isFalse();
    }
  }

  @Test
  void headersAreReadStrictly() {
    String header = signed().header();
    assertThat(SignedRequest.parse(header.replace("caller=", "caller=0x"))).isPresent();
    assertThat(SignedRequest.parse(header.replace(",", ", ").replace("Perseid", "perseid")))
        .isPresent();
    assertThat(SignedRequest.isMeant("Bearer x")).isFalse();
    assertThat(SignedRequest.isMeant(SignedRequest.SCHEME)).isFalse();
    for (String wrong :
        new String[] {
          header + ",",
          header + ",x=1",
          header + ",role=consumer",
          header.replace(",role=consumer", ""),
          header.replace("role=consumer", "role=Consumer"),
          header.replace("time=1", "time=-1"),
          header.replace("time=1", "time=1111111"),
          header.replace("nonce=22", "nonce=2"),
          header.replace("nonce=22", "nonce=zz"),
          header.replace("signature=", "signature=\""),
          header.replace(",", ";"),
          header + " ".repeat(1_024),
          SignedRequest.SCHEME + " "
        }) {
      assertThat(SignedRequest.parse(wrong)).as(wrong).isEmpty();
    }
  }
}
