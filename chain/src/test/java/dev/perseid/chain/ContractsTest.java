package dev.perseid.chain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.perseid.core.Address;
import dev.perseid.core.DataPolicy;
import dev.perseid.core.Hash;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.TokenPrice;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.settle.TokenAuthorization;
import java.math.BigInteger;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The bindings against the contracts, and accounts of all kinds. One chain for all tests; each
/// uses people of its own.
class ContractsTest {
  private static final Path VECTORS = Path.of("../contracts/vectors/typed-data.json");
  private static final long FAR_S = 10_000_000_000L;

  @TempDir static Path folder;

  private static Lab lab;
  private static Address pool;

  @BeforeAll
  static void start() throws Exception {
    lab = new Lab(folder);
    pool = lab.pool();
  }

  @AfterAll
  static void stop() throws Exception {
    lab.close();
  }

  private static byte[] hex(String text) {
    return HexFormat.of().parseHex(text);
  }

  private static Address account(int number) {
    return Address.parse("0x00000000000000000000000000000000c0de%04d".formatted(number));
  }

  @Test
  void anIdentityAndItsKeys() throws Exception {
    Registry.Identity identity = lab.registry.identity(pool, At.latest()).orElseThrow();
    assertThat(identity.controller()).isEqualTo(pool);
    assertThat(identity.roles()).isEqualTo(Registry.POOL);
    assertThat(identity.keys()).containsExactly(pool);
    assertThat(lab.registry.identity(Lab.key(99).address(), At.latest())).isEmpty();

    Key second = Lab.key(60);
    String consent =
        second.sign(
            Digests.keyConsent(
                lab.chain.id(), lab.registry.address(), pool, second.address(), FAR_S));
    String stolen =
        Lab.key(61)
            .sign(
                Digests.keyConsent(
                    lab.chain.id(), lab.registry.address(), pool, second.address(), FAR_S));
    assertThatThrownBy(() -> lab.done(lab.registry.addKey(pool, second.address(), FAR_S, stolen)))
        .hasMessageContaining("the signature is not that of " + second.address());
    lab.done(lab.registry.addKey(pool, second.address(), FAR_S, consent));
    assertThat(lab.registry.actsFor(second.address(), pool, At.latest())).isTrue();
    lab.done(lab.registry.retireKey(pool, second.address()));
    assertThat(lab.registry.actsFor(second.address(), pool, At.latest())).isFalse();
    assertThat(lab.registry.answersFor(second.address(), At.latest())).contains(pool);
    lab.done(
        lab.registry.setProfile(
            pool, Registry.POOL | Registry.PROVIDER, "https://pool.example", Hash.ZERO));
    assertThat(lab.registry.identity(pool, At.latest()).orElseThrow().endpoint())
        .isEqualTo("https://pool.example");
  }

  @Test
  void paymentsBySignature() throws Exception {
    Key payer = Lab.key(62);
    Address payee = Lab.key(63).address();
    lab.done(lab.token.mint(payer.address(), 900));
    Token.Name name = lab.token.name(At.latest());
    assertThat(name.name()).isEqualTo("Test Dollar");
    assertThat(name.version()).isEqualTo("1");
    TokenAuthorization a =
        new TokenAuthorization(payer.address(), payee, 900, 0, FAR_S, new Hash(1, 2, 3, 4));
    String signature = payer.sign(Digests.transferWithAuthorization(name.domain(), a));
    assertThatThrownBy(() ->
            lab.done(
                lab.token.transferWithAuthorization(
                    a, payer.sign(Digests.receiveWithAuthorization(name.domain(), a)))))
        .hasMessageContaining("is not signed by who is to pay");
    assertThat(lab.token.authorizationState(payer.address(), a.nonce(), At.latest())).isFalse();
    lab.done(lab.token.transferWithAuthorization(a, signature));
    assertThat(lab.token.authorizationState(payer.address(), a.nonce(), At.latest())).isTrue();
    assertThat(lab.token.balanceOf(payee, At.latest())).isEqualTo(900);
    assertThatThrownBy(() -> lab.done(lab.token.transferWithAuthorization(a, signature)))
        .hasMessageContaining("was used or cancelled before");
    TokenAuthorization late =
        new TokenAuthorization(payer.address(), payee, 1, 0, 1, new Hash(1, 2, 3, 5));
    assertThatThrownBy(() ->
            lab.done(
                lab.token.transferWithAuthorization(
                    late, payer.sign(Digests.transferWithAuthorization(name.domain(), late)))))
        .hasMessageContaining("counts only from");
    TokenAuthorization poor =
        new TokenAuthorization(payer.address(), payee, 5, 0, FAR_S, new Hash(1, 2, 3, 6));
    assertThatThrownBy(() ->
            lab.done(
                lab.token.transferWithAuthorization(
                    poor, payer.sign(Digests.transferWithAuthorization(name.domain(), poor)))))
        .hasMessageContaining("has 0 of the token and needs 0.000005");
  }

  @Test
  void tokensThatCannotBeUsedAreRefused() throws Exception {
    assertThatThrownBy(() -> new Token(lab.chain, Lab.key(64).address()).check())
        .hasMessageContaining("is no contract");
    lab.local.code(account(1), hex("60125f5260205ff3")); // says 18 to all
    assertThatThrownBy(() -> new Token(lab.chain, account(1)).check())
        .hasMessageContaining("has 18 decimals; only tokens with 6");
    lab.local.code(account(2), hex("60065f5260205ff3")); // says 6 to all
    assertThatThrownBy(() -> new Token(lab.chain, account(2)).check())
        .hasMessageContaining("EIP-3009");
    lab.local.code(account(3), hex("5f5ffd")); // reverts
    assertThatThrownBy(() -> new Token(lab.chain, account(3)).check())
        .hasMessageContaining("does not say its decimals");
    lab.token.check();
  }

  @Test
  void signaturesOfKeysOfContractsAndOfBoth() throws Exception {
    SignatureChecker signatures = new SignatureChecker(lab.chain);
    Hash digest = new Hash(9, 8, 7, 6);
    Key key = Lab.key(65);
    String byKey = key.sign(digest);
    assertThat(signatures.signed(key.address(), digest, byKey, At.latest())).isTrue();
    assertThat(signatures.signed(Lab.key(66).address(), digest, byKey, At.latest())).isFalse();
    assertThat(signatures.signed(key.address(), new Hash(9, 8, 7, 5), byKey, At.latest()))
        .isFalse();
    // EIP-7702: it has code, and a key.
    lab.local.code(key.address(), hex("ef0100" + "00".repeat(18) + "c0de"));
    assertThat(signatures.signed(key.address(), digest, byKey, At.latest())).isTrue();
    // A wallet that agrees to all, one that agrees to nothing, one that burns all gas, one that
    // reverts, one that answers too little.
    lab.local.code(account(11), hex("631626ba7e60e01b5f5260205ff3"));
    lab.local.code(account(12), hex("60205ff3"));
    lab.local.code(account(13), hex("5b5f56"));
    lab.local.code(account(14), hex("5f5ffd"));
    lab.local.code(account(15), hex("631626ba7e60e01b5f5260045ff3"));
    assertThat(signatures.signed(account(11), digest, "0x1234", At.latest())).isTrue();
    assertThat(signatures.signed(account(11), digest, "0x123", At.latest())).isFalse();
    assertThat(signatures.signed(account(11), digest, "zz", At.latest())).isFalse();
    for (int i = 12; i <= 15; i++) {
      assertThat(signatures.signed(account(i), digest, byKey, At.latest())).as("%d", i).isFalse();
    }
  }

  @Test
  void aReceiptIsVerifiedOnChainAndAWrongBillIsConvicted() throws Exception {
    JsonNode all = new ObjectMapper().readTree(VECTORS.toFile());
    JsonNode log = all.path("log");
    Hash right = Hash.parse(log.path("leaves").path(0).asText());
    Hash wrong = Hash.parse(log.path("leaves").path(1).asText());
    // The vectors' pool is the key 1, which is this pool's.
    assertThat(log.path("pool").asText()).isEqualTo(pool.toString());
    Court.Statement head =
        new Court.Statement.Signed(
            pool,
            2,
            Hash.parse(log.path("root").asText()),
            log.path("timeUs").asLong(),
            log.path("signature").asText());
    Court.Inclusion first = new Court.Inclusion(0, right, List.of(wrong));
    Court.Inclusion second = new Court.Inclusion(1, wrong, List.of(right));
    assertThat(lab.court.verify(head, first, At.latest())).isEqualTo(pool);
    assertThatThrownBy(() ->
            lab.court.verify(head, new Court.Inclusion(1, right, List.of(wrong)), At.latest()))
        .hasMessageContaining("does not lead from entry 1");

    ModelOffer offer =
        new ModelOffer(
            Address.parse(all.path("offer").path("provider").asText()),
            Hash.parse(all.path("offer").path("model").asText()),
            "eu",
            "q8_0",
            "perseid 1",
            new TokenPrice(150_000, 15_000, 600_000, 7, 2_000_000),
            50,
            30,
            4,
            4_096,
            DataPolicy.KEEPS_NOTHING,
            Optional.of(Hash.parse(all.path("offer").path("sealKey").asText())),
            "https://provider.example/v1",
            all.path("offer").path("madeUs").asLong());
    byte[] goodEntry = Hex.bytes(log.path("entries").path(0).asText());
    byte[] badEntry = Hex.bytes(log.path("entries").path(1).asText());
    assertThatThrownBy(() -> lab.done(lab.court.wrongBill(head, first, goodEntry, offer)))
        .hasMessageContaining("the bill is right");
    lab.done(lab.court.wrongBill(head, second, badEntry, offer));
    assertThat(lab.court.heldUntilS(pool, At.latest())).isPositive();

    BigInteger deposit = lab.court.challengeDeposit(At.latest());
    assertThat(deposit).isEqualTo(BigInteger.TEN);
    lab.done(lab.court.challenge(head, first, deposit));
    assertThatThrownBy(() -> lab.done(lab.court.challenge(head, first, deposit)))
        .hasMessageContaining("asked for already");
    assertThat(lab.court.verdict(Court.omissionOf(pool, 0, right), At.latest())).isEmpty();
  }

  @Test
  void aDeploymentIsCheckedAsAWhole() throws Exception {
    Deployment d = lab.deployment;
    assertThat(Deployment.ofJson(d.toJson())).isEqualTo(d);
    d.check(lab.chain);
    assertThatThrownBy(() ->
            new Deployment(1, d.token(), d.registry(), d.escrow(), d.court(), d.collateral(), 0)
                .check(lab.chain))
        .hasMessageContaining("on chain 1, the node is of chain 31337");
    assertThatThrownBy(() ->
            new Deployment(
                    d.chainId(),
                    d.token(),
                    d.registry(),
                    Lab.key(67).address(),
                    d.court(),
                    d.collateral(),
                    0)
                .check(lab.chain))
        .hasMessageContaining("the deployment's escrow");
    assertThatThrownBy(() ->
            new Deployment(
                    d.chainId(),
                    d.token(),
                    d.registry(),
                    d.registry(),
                    d.court(),
                    d.collateral(),
                    0)
                .check(lab.chain))
        .hasMessageContaining("is no escrow of Perseid's");
    assertThatThrownBy(() -> Deployment.ofJson("{}")).hasMessageContaining("it needs chain_id");
    assertThatThrownBy(() -> Deployment.ofJson("[")).hasMessageContaining("not JSON");
  }

  @Test
  void everyErrorOfOurContractsHasASentenceOfItsOwn() {
    int known = 0;
    for (Artifact artifact : List.of(Artifact.ESCROW, Artifact.REGISTRY, Artifact.COLLATERAL)) {
      for (Artifact.ErrorType type : artifact.errors()) {
        byte[] data = new byte[4 + 32 * type.types().size()];
        System.arraycopy(Abi.selector(type.signature()), 0, data, 0, 4);
        Revert revert = Revert.of(data);
        assertThat(revert.error()).isEqualTo(type.name());
        if (!type.name()
            .matches("Invalid.*|String.*|SafeCast.*|Reentrancy.*|ECDSA.*|BadPermille")) {
          assertThat(revert.sentence()).as(type.signature()).doesNotContain(type.name());
          known++;
        }
      }
    }
    assertThat(known).isGreaterThan(35);
    assertThat(Revert.of(new byte[0]).sentence()).contains("without a word");
    assertThat(Revert.of(hex("12345678")).sentence()).contains("0x12345678");
  }

  /// A voucher that a contract denies is left out, and what the token refuses to send stays due.
  @Test
  void aSettlementSaysWhatItLeftOut() throws Exception {
    lab.local.code(account(21), hex("60205ff3"));
    long epoch = lab.escrow.till(pool, At.latest()).epoch() + 1;
    Key consumer = Lab.key(68);
    lab.fundPurse(consumer, pool, 1_000, new Hash(5, 0, 0, 1));
    Due provider = new Due(Lab.key(69).address(), 700);
    Settlement s =
        lab.settlement(
            epoch,
            List.of(
                lab.voucher(consumer, pool, 900),
                new SignedVoucher(account(21), 500, "0x1234", true)),
            List.of(provider, new Due(lab.token.address(), 0)),
            List.of(provider));
    Escrow.Outcome outcome = lab.escrow.outcome(pool, lab.done(lab.escrow.settle(pool, s)));
    assertThat(outcome).isEqualTo(new Escrow.Outcome(900, List.of(account(21)), List.of()));
    Settlement greedy =
        new Settlement(epoch + 1, List.of(), 1_000_000, List.of(), List.of(), pool, 0, Hash.ZERO);
    assertThatThrownBy(() -> lab.done(lab.escrow.settle(pool, greedy)))
        .isInstanceOfSatisfying(
            ChainException.class,
            e -> assertThat(e.revert().orElseThrow().error()).isEqualTo("EarnedLess"));
  }
}
