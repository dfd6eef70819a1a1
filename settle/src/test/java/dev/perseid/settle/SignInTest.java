package dev.perseid.settle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Address;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class SignInTest {
  /// The example of EIP-4361.
  private static final String EXAMPLE =
      """
      example.com wants you to sign in with your Ethereum account:
      0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2

      I accept the ExampleOrg Terms of Service: https://example.com/tos

      URI: https://example.com/login
      Version: 1
      Chain ID: 1
      Nonce: 32891756
      Issued At: 2021-09-30T16:25:24Z
      Resources:
      - ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
      - https://example.com/my-web2-claim.json\
      """;

  private static final String FULL =
      """
      https://[::1]:3000 wants you to sign in with your Ethereum account:
      0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2


      URI: urn:perseid:pool
      Version: 1
      Chain ID: 31337
      Nonce: abcDEF01
      Issued At: 2026-01-31T23:59:59.123456+01:00
      Expiration Time: 2026-02-01T00:00:00Z
      Not Before: 2026-01-01T00:00:00z
      Request ID: a%20b/
      Resources:\
      """;

  private static void refused(String message, String part) {
    assertThatThrownBy(() -> SignIn.parse(message))
        .isInstanceOf(SignIn.Malformed.class)
        .hasMessageContaining(part);
  }

  @Test
  void theExampleIsRead() throws SignIn.Malformed {
    SignIn s = SignIn.parse(EXAMPLE);
    assertThat(s.domain()).isEqualTo("example.com");
    assertThat(s.scheme()).isEmpty();
    assertThat(s.address()).isEqualTo(Address.parse("0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"));
    assertThat(s.statement())
        .hasValue("I accept the ExampleOrg Terms of Service: https://example.com/tos");
    assertThat(s.uri()).isEqualTo("https://example.com/login");
    assertThat(s.chainId()).isEqualTo(1);
    assertThat(s.nonce()).isEqualTo("32891756");
    assertThat(s.issuedAt()).isEqualTo(Instant.parse("2021-09-30T16:25:24Z"));
    assertThat(s.expiresAt()).isEmpty();
    assertThat(s.resources())
        .containsExactly(
            "ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/",
            "https://example.com/my-web2-claim.json");
  }

  @Test
  void everyFieldIsRead() throws SignIn.Malformed {
    SignIn s = SignIn.parse(FULL.replace("a%20b/", "a%20b"));
    assertThat(s.scheme()).hasValue("https");
    assertThat(s.domain()).isEqualTo("[::1]:3000");
    assertThat(s.statement()).isEmpty();
    assertThat(s.issuedAt()).isEqualTo(Instant.parse("2026-01-31T22:59:59.123456Z"));
    assertThat(s.expiresAt()).hasValue(Instant.parse("2026-02-01T00:00:00Z"));
    assertThat(s.notBefore()).hasValue(Instant.parse("2026-01-01T00:00:00Z"));
    assertThat(s.requestId()).hasValue("a%20b");
    assertThat(s.resources()).isEmpty();
  }

  @Test
  void whatIsNotOfTheGrammarIsRefused() {
    refused(FULL, "the request's id");
    refused("", "line 1 must be");
    refused(EXAMPLE.replace("example.com wants", "exa mple.com wants"), "the domain");
    refused(EXAMPLE.replace("example.com wants", " wants"), "the domain");
    refused(EXAMPLE.replace("example.com wants", "u@example.com wants"), "the domain");
    refused(EXAMPLE.replace("0xC0", "0xc0"), "EIP-55");
    refused(EXAMPLE.replace("0xC02", "0xC0"), "line 2");
    refused(EXAMPLE.replace("Service:", "Service\n:"), "line 5 must be empty");
    refused(EXAMPLE.replace("Service:", "Sérvice:"), "the statement");
    refused(EXAMPLE.replace("Version: 1", "Version: 2"), "version");
    refused(EXAMPLE.replace("Chain ID: 1", "Chain ID: one"), "chain");
    refused(EXAMPLE.replace("Chain ID: 1", "Chain ID: -1"), "chain");
    refused(EXAMPLE.replace("Nonce: 32891756", "Nonce: 3289175"), "nonce");
    refused(EXAMPLE.replace("Nonce: 32891756", "Nonce: 3289175-"), "nonce");
    refused(EXAMPLE.replace("2021-09-30T", "2021-09-31T"), "Issued At");
    refused(EXAMPLE.replace("2021-09-30T", "2021-9-30T"), "Issued At");
    refused(EXAMPLE.replace("24Z", "24"), "Issued At");
    refused(EXAMPLE.replace("URI: https", "URI: ht tps"), "URI");
    refused(EXAMPLE.replace("URI: https://example.com/login", "URI: login"), "scheme");
    refused(EXAMPLE.replace("URI: ", "Uri: "), "must begin with 'URI: '");
    refused(EXAMPLE.replace("- ipfs", "ipfs"), "is not expected there");
    refused(EXAMPLE + "\n", "is not expected there");
    refused(EXAMPLE.replace("\n", "\r\n"), "line 1 must be");
    refused(FULL.replace("Not Before", "Issued At"), "is not expected there");
    refused(EXAMPLE.replace("Issued At", "Issued at"), "must begin with 'Issued At: '");
    refused(EXAMPLE + "\n- " + "x".repeat(9_000), "more than 8192");
    // No prefix of it is a message but those that end with a whole optional line.
    for (int i = 0; i < EXAMPLE.indexOf("\nResources"); i++) {
      String cut = EXAMPLE.substring(0, i);
      assertThatThrownBy(() -> SignIn.parse(cut)).isInstanceOf(SignIn.Malformed.class);
    }
  }

  /// The examples of EIP-55.
  @Test
  void checksumsAreThoseOfTheStandard() {
    for (String address :
        List.of(
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb")) {
      assertThat(SignIn.checksummed(Address.parse(address.toLowerCase(Locale.ROOT))))
          .isEqualTo(address);
    }
  }

  /// The example of web3.js' documentation for eth.accounts.hashMessage.
  @Test
  void theDigestIsThatOfPersonalSign() {
    assertThat(SignIn.digest("Hello World").hex())
        .isEqualTo("a1de988600a42c4b4ab089b619297c17d53cffae5d5120d82d8a92d0bb3b78f2");
    assertThat(SignIn.digest("Some data").hex())
        .isEqualTo("1da44b586eb0729ff70a73c326926f6ed5a25f5b056e7f47fbc6e58d86871655");
    Key key = Key.generate();
    assertThat(Key.recover(SignIn.digest(EXAMPLE), key.sign(SignIn.digest(EXAMPLE))))
        .isEqualTo(Optional.of(key.address()));
  }
}
