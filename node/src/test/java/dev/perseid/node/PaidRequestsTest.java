package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.chain.At;
import dev.perseid.chain.Escrow;
import dev.perseid.chain.Head;
import dev.perseid.chain.Outbox;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.ChainPurse;
import dev.perseid.core.Command;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelTask;
import dev.perseid.core.Money;
import dev.perseid.core.PurseView;
import dev.perseid.core.TokenPrice;
import dev.perseid.inference.Manifest;
import dev.perseid.inference.ModelDescription;
import dev.perseid.inference.ModelFile;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.settle.TokenAuthorization;
import dev.perseid.wire.ModelParts;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Requests that pay for themselves, from the official client to the token on a real chain.
@Timeout(240)
final class PaidRequestsTest {
  private static final Outbox.Rules RULES = new Outbox.Rules(BigInteger.TEN.pow(11), 1, 2_000);
  private static final long MINT = 50_000_000;
  private static final long DEPOSIT = 20_000_000;
  private static final long FEE = 1_000;
  private static final TokenPrice PRICE = new TokenPrice(1_000_000, 1_000_000, 3_000_000, 0, 0);
  private static final JsonMapper JSON = JsonMapper.builder().build();
  private static final String MODEL = "me/pays";

  @TempDir Path folder;
  private final byte[] secret = new byte[32];
  private final Key poolKey = Key.generate();
  private final Key authorKey = Key.generate();
  private final Key providerKey = Key.generate();
  private Key payer;
  private final byte[] otherSecret = new byte[32];
  private Key other;
  private final PromptBackend backend = new PromptBackend();
  private final HttpClient http = HttpClient.newHttpClient();
  private ChainLab lab;
  private boolean onCredits;
  private int confirmations = 1;
  private PoolNode pool;
  private PoolCaller author;
  private ProviderNode provider;

  @BeforeEach
  void open() throws Exception {
    new SecureRandom().nextBytes(secret);
    new SecureRandom().nextBytes(otherSecret);
    payer = Key.of(secret);
    other = Key.of(otherSecret);
    lab = new ChainLab(folder);
    lab.register(poolKey, folder);
    lab.done(lab.token.mint(payer.address(), MINT - DEPOSIT));
    lab.deposit(poolKey.address(), payer.address(), DEPOSIT);
    startPool();
    publish();
    startProvider();
  }

  @AfterEach
  void close() throws Exception {
    provider.close();
    author.close();
    pool.close();
    lab.close();
    http.close();
  }

  private void startPool() throws Exception {
    pool =
        PoolNode.start(
            PoolConfig.usual(folder.resolve(onCredits ? "credits" : "pool"), poolKey)
                .withTimes(200, 2_000)
                .withMoney(onCredits ? MoneyTerms.NONE : lab.terms(confirmations, 1))
                .withTerms(
                    new MarketTerms(Optional.empty(), 50, Set.of())
                        .withGateway("127.0.0.1", 0)
                        .withPayments(new PaymentTerms(true, FEE))));
    if (onCredits) {
      pool.mill().command(new Command.RequireVouchers());
    } else if (!pool.mill().ask(p -> p.money().isVouched())) {
      adopt();
    }
    PoolTill till = ((PoolMarket) pool.market()).payments();
    Until.holds(() -> till.ways().size() == (onCredits ? 1 : 2));
    author = new PoolCaller(pool.port(), authorKey, "consumer");
  }

  private ChainPurse onChain() throws Exception {
    Escrow.Purse purse = lab.escrow.purse(poolKey.address(), payer.address(), At.latest());
    return new ChainPurse(payer.address(), purse.funded(), purse.spent(), 0);
  }

  private void adopt() throws Exception {
    Head head = lab.local.chain().head();
    assertThat(
            pool.mill()
                .command(
                    new Command.AdoptEscrow(
                        new Money.Escrow(
                            lab.local.chain().id(),
                            lab.deployment.escrow(),
                            lab.deployment.token(),
                            poolKey.address()),
                        List.of(onChain()),
                        Map.of(),
                        0,
                        head.number(),
                        head.timeS() * 1_000_000)))
        .isInstanceOf(PoolLoop.Reply.Done.class);
  }

  private void publish() throws Exception {
    byte[] bytes = "weights".getBytes(StandardCharsets.UTF_8);
    Blob file = author.put(bytes);
    Manifest manifest =
        Manifest.of(
            new ModelDescription(
                MODEL,
                "1",
                ModelTask.CHAT,
                "gguf",
                "f32",
                1_000,
                512,
                "Apache-2.0",
                "a test",
                100,
                Instant.EPOCH),
            Optional.empty(),
            List.of(
                new ModelFile(
                    "weights.gguf",
                    ModelFile.mediaType("weights.gguf"),
                    file.hash(),
                    file.sizeBytes())));
    author.put(manifest.config());
    author.put(manifest.bytes());
    Model model = manifest.toModel(authorKey.address(), 7);
    Proto.PublishReply reply =
        author
            .models()
            .publish(
                Proto.PublishRequest.newBuilder()
                    .setModel(ModelParts.write(model))
                    .setSignature(Translation.signature(authorKey.sign(Digests.model(model))))
                    .build());
    assertThat(reply.hasRefusal()).as("%s", reply).isFalse();
  }

  private void startProvider() throws Exception {
    provider =
        ProviderNode.start(
            ProviderChild.config(
                    providerKey,
                    pool.port(),
                    poolKey.address(),
                    folder.resolve(onCredits ? "provider-on-credits" : "provider"),
                    "p")
                .withModels(List.of(ServedModel.of(MODEL).at(PRICE))),
            notice -> {},
            (config, sandbox, transfer, told) -> (served, model) -> backend);
    Until.holds(() ->
        pool.market().catalog().listings().values().stream()
            .flatMap(List::stream)
            .anyMatch(l -> l.live().reachable()));
  }

  // ---- what a client does ---------------------------------------------------------------------

  private static String body(int tokens, String prompt) {
    return "{\"model\":\""
        + MODEL
        + "\",\"max_tokens\":"
        + tokens
        + ",\"messages\":[{\"role\":\"user\",\"content\":\""
        + prompt
        + "\"}]}";
  }

  private HttpResponse<String> post(String body, Optional<ObjectNode> payment) throws Exception {
    return posted(body, payment).get(60, TimeUnit.SECONDS);
  }

  private CompletableFuture<HttpResponse<String>> posted(String body, Optional<ObjectNode> payment)
      throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(
                URI.create(pool.gateway().orElseThrow().url() + "/v1/chat/completions"))
            .header("content-type", "application/json");
    if (payment.isPresent()) {
      request.header(
          "PAYMENT-SIGNATURE",
          Base64.getEncoder().encodeToString(JSON.writeValueAsBytes(payment.get())));
    }
    return http.sendAsync(
        request.POST(HttpRequest.BodyPublishers.ofString(body)).build(),
        HttpResponse.BodyHandlers.ofString());
  }

  private static JsonNode decoded(HttpResponse<?> response, String header) throws Exception {
    return JSON.readTree(
        Base64.getDecoder()
            .decode(
                response
                    .headers()
                    .firstValue(header)
                    .orElseThrow(() -> new AssertionError(header + " is missing: " + response))));
  }

  private ObjectNode wanted(String body, String scheme) throws Exception {
    HttpResponse<String> response = post(body, Optional.empty());
    assertThat(response.statusCode()).as(response.body()).isEqualTo(402);
    for (JsonNode way : decoded(response, "PAYMENT-REQUIRED").path("accepts")) {
      if (way.path("scheme").asText().equals(scheme)) {
        return (ObjectNode) way;
      }
    }
    throw new AssertionError(scheme);
  }

  private static long nowS() {
    return System.currentTimeMillis() / 1_000;
  }

  private TokenAuthorization authorization(ObjectNode way) {
    byte[] nonce = new byte[32];
    new SecureRandom().nextBytes(nonce);
    return new TokenAuthorization(
        payer.address(),
        Address.parse(way.path("payTo").asText()),
        way.path("amount").asLong(),
        0,
        nowS() + 100,
        Hash.of(nonce));
  }

  private ObjectNode exact(ObjectNode way, TokenAuthorization a, Key signer) throws Exception {
    String signature =
        signer.sign(Digests.transferWithAuthorization(lab.token.domain(At.latest()), a));
    ObjectNode out = JSON.createObjectNode();
    out.put("x402Version", 2);
    out.set("accepted", way);
    ObjectNode payload = out.putObject("payload");
    payload.put("signature", "0x" + signature);
    payload
        .putObject("authorization")
        .put("from", a.from().toString())
        .put("to", a.to().toString())
        .put("value", Long.toString(a.value()))
        .put("validAfter", Long.toString(a.validAfterS()))
        .put("validBefore", Long.toString(a.validBeforeS()))
        .put("nonce", "0x" + a.nonce().hex());
    return out;
  }

  private ObjectNode voucher(ObjectNode way, long cumulative, Key signer) {
    return voucher(way, payer.address(), cumulative, signer);
  }

  private ObjectNode voucher(ObjectNode way, Address consumer, long cumulative, Key signer) {
    JsonNode extra = way.path("extra");
    Address to = Address.parse(extra.path("pool").asText());
    ObjectNode out = JSON.createObjectNode();
    out.put("x402Version", 2);
    out.set("accepted", way);
    ObjectNode payload = out.putObject("payload");
    payload
        .putObject("voucher")
        .put("consumer", consumer.toString())
        .put("pool", to.toString())
        .put("cumulative", Long.toString(cumulative));
    payload.put(
        "signature",
        "0x"
            + signer.sign(
                Digests.voucher(
                    extra.path("chainId").asLong(),
                    Address.parse(extra.path("verifyingContract").asText()),
                    consumer,
                    to,
                    cumulative)));
    return out;
  }

  private PurseView purse() {
    try {
      return pool.mill().ask(p -> p.purse(payer.address())).orElseThrow();
    } catch (PoolMill.Unavailable e) {
      throw new AssertionError(e);
    }
  }

  private long due(Address account) {
    try {
      return pool.mill().ask(p -> p.account(account)).due();
    } catch (PoolMill.Unavailable e) {
      throw new AssertionError(e);
    }
  }

  /// What provider, author and pool got of payments ahead, in microcredits.
  private long earned(long vouched) {
    return due(providerKey.address()) + due(authorKey.address()) + due(poolKey.address()) - vouched;
  }

  private long has(Address account) throws Exception {
    return lab.has(account);
  }

  // ---- the official client --------------------------------------------------------------------

  @Test
  void theOfficialClientPaysAndTheBooksAgreeWithTheChain() throws Exception {
    lab.done(lab.token.mint(other.address(), MINT));
    List<String> lines =
        NodeClient.run(
            folder,
            "x402.mjs",
            pool.gateway().orElseThrow().url(),
            "0x" + HexFormat.of().formatHex(otherSecret),
            "0x" + HexFormat.of().formatHex(secret),
            lab.deployment.token().toString(),
            MODEL);
    List<String> checks = lines.stream().filter(l -> l.startsWith("check\t")).toList();
    assertThat(checks).as("%s", lines).hasSize(9).allMatch(l -> l.endsWith("\tok"));
    long settled = 0;
    long spent = 0;
    for (String line : lines) {
      String[] words = line.split("\t", -1);
      if (words[0].equals("paid") && words[1].equals("exact")) {
        settled += Long.parseLong(words[2]);
      } else if (words[0].equals("paid")) {
        spent += Long.parseLong(words[2]);
      }
    }
    assertThat(settled).isPositive();
    assertThat(spent).isPositive();
    // The chain: what was settled moved from the payer to the pool's key, and nothing else.
    assertThat(has(other.address())).isEqualTo(MINT - settled);
    assertThat(has(poolKey.address())).isEqualTo(settled);
    assertThat(has(payer.address())).isEqualTo(MINT - DEPOSIT);
    assertThat(onChain().funded()).isEqualTo(DEPOSIT);
    // The books: vouchers cost what the answers said; of payments ahead, what was not charged is
    // due to the payer again.
    long vouched = spent;
    Until.holds(() -> purse().spent() == vouched);
    assertThat(purse().cover()).isGreaterThanOrEqualTo(spent);
    long fees = 5 * FEE;
    long ahead = settled;
    Until.holds(() -> due(other.address()) == ahead - fees - earned(vouched));
    assertThat(earned(vouched)).isPositive();
    long taken = pool.mill().ask(p -> p.taken());
    assertThat(taken).isEqualTo(settled - fees);
  }

  // ---- exact ----------------------------------------------------------------------------------

  private record Bad(
      String name, String reason, UnaryOperator<TokenAuthorization> change, boolean own) {}

  private static TokenAuthorization with(
      TokenAuthorization a, Address from, Address to, long value, long after, long before) {
    return new TokenAuthorization(from, to, value, after, before, a.nonce());
  }

  @Test
  void nothingIsSentForAPaymentThatIsWrong() throws Exception {
    Key poor = Key.generate();
    List<Bad> table =
        List.of(
            new Bad(
                "expired",
                "invalid_exact_evm_payload_authorization_valid_before",
                a -> with(a, a.from(), a.to(), a.value(), 0, nowS() - 1),
                true),
            new Bad(
                "expires too soon",
                "invalid_exact_evm_payload_authorization_valid_before",
                a -> with(a, a.from(), a.to(), a.value(), 0, nowS() + 3),
                true),
            new Bad(
                "good for too long",
                "invalid_exact_evm_payload_authorization_valid_before",
                a -> with(a, a.from(), a.to(), a.value(), 0, nowS() + 3_600),
                true),
            new Bad(
                "not yet valid",
                "invalid_exact_evm_payload_authorization_valid_after",
                a -> with(a, a.from(), a.to(), a.value(), nowS() + 50, nowS() + 100),
                true),
            new Bad(
                "too little",
                "invalid_exact_evm_payload_authorization_value_mismatch",
                a -> with(a, a.from(), a.to(), a.value() - 1, 0, a.validBeforeS()),
                true),
            new Bad(
                "to somebody else",
                "invalid_exact_evm_payload_recipient_mismatch",
                a -> with(a, a.from(), authorKey.address(), a.value(), 0, a.validBeforeS()),
                true),
            new Bad(
                "from the pool itself",
                "invalid_payload",
                a -> with(a, poolKey.address(), a.to(), a.value(), 0, a.validBeforeS()),
                true),
            new Bad("signed by another", "invalid_exact_evm_payload_signature", a -> a, false),
            new Bad(
                "from an account without money",
                "insufficient_funds",
                a -> with(a, poor.address(), a.to(), a.value(), 0, a.validBeforeS()),
                false));
    long nonce = lab.local.chain().nonce(poolKey.address(), At.latest());
    String body = body(5, "hi");
    ObjectNode way = wanted(body, "exact");
    for (Bad bad : table) {
      HttpResponse<String> response =
          post(
              body,
              Optional.of(
                  exact(way, bad.change().apply(authorization(way)), bad.own() ? payer : poor)));
      assertThat(response.statusCode()).as(bad.name()).isEqualTo(402);
      assertThat(decoded(response, "PAYMENT-REQUIRED").path("error").asText())
          .as(bad.name())
          .isEqualTo(bad.reason());
    }
    // A signature that was changed by one bit, and one of another length.
    ObjectNode changed = exact(way, authorization(way), payer);
    ObjectNode payload = (ObjectNode) changed.get("payload");
    String signature = payload.path("signature").asText();
    char digit = signature.charAt(10) == '0' ? '1' : '0';
    payload.put("signature", signature.substring(0, 10) + digit + signature.substring(11));
    assertThat(post(body, Optional.of(changed)).body())
        .contains("invalid_exact_evm_payload_signature");
    payload.put("signature", signature + "00");
    assertThat(post(body, Optional.of(changed)).body())
        .contains("invalid_exact_evm_payload_signature");
    assertThat(lab.local.chain().nonce(poolKey.address(), At.latest())).isEqualTo(nonce);
    assertThat(backend.asked.get()).isZero();
    assertThat(has(payer.address())).isEqualTo(MINT - DEPOSIT);
  }

  @Test
  void whatFailsIsGivenBackAsFarAsItWasPaid() throws Exception {
    String body = body(5, "please fail");
    ObjectNode way = wanted(body, "exact");
    TokenAuthorization a = authorization(way);
    HttpResponse<String> response = post(body, Optional.of(exact(way, a, payer)));
    assertThat(response.statusCode()).as(response.body()).isEqualTo(502);
    JsonNode paid = decoded(response, "PAYMENT-RESPONSE");
    assertThat(paid.path("success").asBoolean()).isTrue();
    assertThat(paid.path("extra").path("chargedAmount").asText()).isEqualTo("0");
    assertThat(paid.path("extra").path("returnedAmount").asLong()).isEqualTo(a.value() - FEE);
    Until.holds(() -> due(payer.address()) == a.value() - FEE);
    assertThat(has(poolKey.address())).isEqualTo(a.value());
    assertThat(due(providerKey.address())).isZero();
  }

  @Test
  void aPriceThatRoseInBetweenTakesNothing() throws Exception {
    ObjectNode way = wanted(body(5, "hi"), "exact");
    // The same payment for a request that may cost more.
    String dearer = body(50, "hi");
    HttpResponse<String> response =
        post(dearer, Optional.of(exact(way, authorization(way), payer)));
    assertThat(response.statusCode()).isEqualTo(402);
    assertThat(response.body()).contains("the price has changed");
    assertThat(has(poolKey.address())).isZero();
    assertThat(backend.asked.get()).isZero();
  }

  @Test
  void aPaymentThatAnotherHandBroughtIsGivenBack() throws Exception {
    ObjectNode way = wanted(body(5, "hi"), "exact");
    TokenAuthorization mine = authorization(way);
    TokenAuthorization fresh = authorization(way);
    TokenAuthorization elsewhere =
        with(fresh, payer.address(), authorKey.address(), 77, 0, fresh.validBeforeS());
    long block = lab.local.chain().head().number();
    for (TokenAuthorization a : List.of(mine, elsewhere)) {
      lab.done(
          lab.token.transferWithAuthorization(
              a, payer.sign(Digests.transferWithAuthorization(lab.token.domain(At.latest()), a))));
    }
    // The pool was about to send both when it stopped.
    author.close();
    pool.close();
    provider.close();
    Path file = folder.resolve("pool/payments");
    try (PaymentSlips slips = PaymentSlips.open(file)) {
      slips.open(slip(mine, block));
      slips.open(slip(with(fresh, payer.address(), mine.to(), 900, 0, nowS() + 9), block));
    }
    startPool();
    startProvider();
    Until.holds(() -> due(payer.address()) == mine.value() - FEE);
    Until.holds(() -> {
      try {
        return java.nio.file.Files.readString(file)
                .lines()
                .filter(l -> l.startsWith("over"))
                .count()
            == 2;
      } catch (java.io.IOException e) {
        throw new AssertionError(e);
      }
    });
    assertThat(due(payer.address())).isEqualTo(mine.value() - FEE);
    assertThat(has(poolKey.address())).isEqualTo(mine.value());
  }

  private static PaymentSlips.Slip slip(TokenAuthorization a, long block) {
    return new PaymentSlips.Slip(
        a.from(), a.nonce(), a.value(), FEE, a.validBeforeS(), block, PaymentSlips.Stage.OPEN);
  }

  /// Waits until the pool has sent a payment off.
  private void sent(TokenAuthorization a) {
    Until.holds(() -> isSent(a));
  }

  private boolean isSent(TokenAuthorization a) {
    try {
      return java.nio.file.Files.readString(folder.resolve("pool/vault/outbox"))
          .contains(slip(a, 0).name());
    } catch (java.io.IOException e) {
      throw new AssertionError(e);
    }
  }

  private void restartPool() throws Exception {
    author.close();
    pool.close();
    provider.close();
    startPool();
    startProvider();
  }

  private long lost() {
    try {
      return pool.mill().ask(p -> p.lost());
    } catch (PoolMill.Unavailable e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void whatIsReorganisedAwayIsSentAgainAndNothingIsGivenBackBeforeItIsFinal() throws Exception {
    confirmations = 4;
    restartPool();
    String body = body(5, "hi");
    ObjectNode way = wanted(body, "exact");
    TokenAuthorization a = authorization(way);
    HttpResponse<String> answer = post(body, Optional.of(exact(way, a, payer)));
    assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
    long charged = decoded(answer, "PAYMENT-RESPONSE").path("extra").path("chargedAmount").asLong();
    // It is gone from the chain after it was served.
    lab.wire.down(true);
    lab.local.mine(1);
    lab.local.reorganise(2);
    lab.local.dropAll();
    assertThat(has(poolKey.address())).isZero();
    assertThat(due(payer.address())).as("it is not final").isZero();
    lab.wire.down(false);
    Until.holds(() -> {
      try {
        return has(poolKey.address()) == a.value();
      } catch (Exception e) {
        throw new AssertionError(e);
      }
    });
    lab.local.mine(4);
    Until.holds(() -> due(payer.address()) == a.value() - FEE - charged);
    assertThat(lost()).isZero();
  }

  @Test
  void whatTheChainTakesBackForGoodIsTakenBackInTheBooksAndItsPayerWaits() throws Exception {
    confirmations = 4;
    restartPool();
    String body = body(5, "hi");
    ObjectNode way = wanted(body, "exact");
    TokenAuthorization a = authorization(way);
    HttpResponse<String> answer = post(body, Optional.of(exact(way, a, payer)));
    assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
    long charged = decoded(answer, "PAYMENT-RESPONSE").path("extra").path("chargedAmount").asLong();
    lab.wire.down(true);
    lab.local.mine(1);
    lab.local.reorganise(2);
    lab.local.dropAll();
    // The payer is quicker.
    long all = has(payer.address());
    lab.doneBy(payer, folder, lab.token.transfer(authorKey.address(), all));
    lab.local.pass(400);
    lab.local.mine(4);
    lab.wire.down(false);
    Until.holds(() -> {
      try {
        lab.local.mine(1);
        return lost() == charged;
      } catch (Exception e) {
        throw new AssertionError(e);
      }
    });
    assertThat(due(payer.address())).as("nothing of what it did not pay").isZero();
    long taken = pool.mill().ask(p -> p.taken());
    assertThat(taken).isZero();
    assertThat(earned(0)).as("who worked is paid all the same").isEqualTo(charged);
    lab.done(lab.token.mint(payer.address(), MINT));
    HttpResponse<String> again = post(body, Optional.of(exact(way, authorization(way), payer)));
    assertThat(again.statusCode()).isEqualTo(402);
    assertThat(again.body()).contains("perseid_payer_waits");
    // The loss is made good by what the operator puts in.
    lab.deposit(poolKey.address(), poolKey.address(), charged + 5);
    lab.local.mine(4);
    Until.holds(() -> lost() == 0);
  }

  @Test
  void paymentsThatTogetherAreMoreThanThePayerHasAreNotSent() throws Exception {
    String body = body(5, "hi");
    ObjectNode way = wanted(body, "exact");
    TokenAuthorization first = authorization(way);
    long rest = has(payer.address()) - first.value() - first.value() / 2;
    lab.doneBy(payer, folder, lab.token.transfer(authorKey.address(), rest));
    lab.local.automine(false);
    CompletableFuture<HttpResponse<String>> answer =
        posted(body, Optional.of(exact(way, first, payer)));
    sent(first);
    TokenAuthorization more = authorization(way);
    HttpResponse<String> second = post(body, Optional.of(exact(way, more, payer)));
    assertThat(second.statusCode()).isEqualTo(402);
    assertThat(second.body()).contains("insufficient_funds").contains("are being paid already");
    assertThat(isSent(more)).isFalse();
    lab.local.automine(true);
    lab.local.mine(1);
    assertThat(answer.get(60, TimeUnit.SECONDS).statusCode()).isEqualTo(200);
  }

  @Test
  void onePayerHasSoManyPaymentsUnderWayAndNoMore() throws Exception {
    String body = body(5, "hi");
    ObjectNode way = wanted(body, "exact");
    lab.local.automine(false);
    List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
    for (int i = 0; i < MarketLimits.PAYER_SETTLING; i++) {
      TokenAuthorization a = authorization(way);
      answers.add(posted(body, Optional.of(exact(way, a, payer))));
      sent(a);
    }
    HttpResponse<String> more = post(body, Optional.of(exact(way, authorization(way), payer)));
    assertThat(more.statusCode()).isEqualTo(402);
    assertThat(more.body()).contains("settlement_pending").contains("as many as may at once");
    lab.local.automine(true);
    lab.local.mine(1);
    for (CompletableFuture<HttpResponse<String>> answer : answers) {
      assertThat(answer.get(60, TimeUnit.SECONDS).statusCode()).isEqualTo(200);
    }
  }

  @Test
  void aPayerWhosePaymentFailsOnTheChainWaitsAndOthersDoNot() throws Exception {
    lab.done(lab.token.mint(other.address(), MINT));
    String body = body(5, "hi");
    ObjectNode way = wanted(body, "exact");
    TokenAuthorization a = authorization(way);
    lab.local.automine(false);
    CompletableFuture<HttpResponse<String>> answer =
        posted(body, Optional.of(exact(way, a, payer)));
    sent(a);
    // It was good when it was sent; the payer moves its money first.
    lab.wire.down(true);
    lab.local.dropAll();
    lab.local.automine(true);
    lab.doneBy(payer, folder, lab.token.transfer(authorKey.address(), has(payer.address())));
    lab.wire.down(false);
    HttpResponse<String> failed = answer.get(60, TimeUnit.SECONDS);
    assertThat(failed.statusCode()).isEqualTo(402);
    assertThat(failed.body()).contains("invalid_transaction_state");
    lab.done(lab.token.mint(payer.address(), MINT));
    long nonce = lab.local.chain().nonce(poolKey.address(), At.latest());
    HttpResponse<String> again = post(body, Optional.of(exact(way, authorization(way), payer)));
    assertThat(again.statusCode()).isEqualTo(402);
    assertThat(again.body()).contains("perseid_payer_waits");
    assertThat(lab.local.chain().nonce(poolKey.address(), At.latest())).isEqualTo(nonce);
    TokenAuthorization b = authorization(way);
    HttpResponse<String> others =
        post(
            body,
            Optional.of(
                exact(
                    way, with(b, other.address(), b.to(), b.value(), 0, b.validBeforeS()), other)));
    assertThat(others.statusCode()).as(others.body()).isEqualTo(200);
  }

  @Test
  void aRestartNeitherLosesNorDoublesAPayment() throws Exception {
    String body = body(5, "hi");
    ObjectNode way = wanted(body, "exact");
    TokenAuthorization a = authorization(way);
    lab.local.automine(false);
    CompletableFuture<HttpResponse<String>> answer =
        posted(body, Optional.of(exact(way, a, payer)));
    sent(a);
    // The pool stops while the payment is under way.
    author.close();
    pool.close();
    provider.close();
    assertThat(answer.handle((r, broken) -> broken != null || r.statusCode() != 200).get())
        .isTrue();
    lab.local.automine(true);
    lab.local.mine(1);
    startPool();
    startProvider();
    // Nobody waits for the answer any more: all of it is due to the payer, once.
    Until.holds(() -> due(payer.address()) == a.value() - FEE);
    assertThat(has(poolKey.address())).isEqualTo(a.value());
    HttpResponse<String> again = post(body, Optional.of(exact(way, a, payer)));
    assertThat(again.statusCode()).isEqualTo(402);
    assertThat(again.body()).contains("invalid_exact_evm_nonce_already_used");
    // And once more, with nothing under way.
    author.close();
    pool.close();
    provider.close();
    startPool();
    startProvider();
    assertThat(due(payer.address())).isEqualTo(a.value() - FEE);
    assertThat(backend.asked.get()).isZero();
  }

  @Test
  void whatWasNotUsedIsPaidOutOnTheChain() throws Exception {
    String broken = body(5, "please fail");
    TokenAuthorization a = authorization(wanted(broken, "exact"));
    assertThat(post(broken, Optional.of(exact(wanted(broken, "exact"), a, payer))).statusCode())
        .isEqualTo(502);
    String body = body(5, "hi");
    TokenAuthorization b = authorization(wanted(body, "exact"));
    HttpResponse<String> answer = post(body, Optional.of(exact(wanted(body, "exact"), b, payer)));
    assertThat(answer.statusCode()).isEqualTo(200);
    long charged = decoded(answer, "PAYMENT-RESPONSE").path("extra").path("chargedAmount").asLong();
    long rest = a.value() - FEE + b.value() - FEE - charged;
    Until.holds(() -> due(payer.address()) == rest);
    // The pool puts what was paid ahead into its own purse and signs for what of it was spent.
    Until.holds(() -> {
      try {
        Optional<PurseView> own = pool.mill().ask(p -> p.purse(poolKey.address()));
        return own.isPresent()
            && own.get().spent() == a.value() - FEE + b.value() - FEE
            && own.get().cover() == own.get().spent();
      } catch (PoolMill.Unavailable e) {
        throw new AssertionError(e);
      }
    });
    try (PoolClient operator =
        PoolClient.connect(
            new PoolClient.Target("127.0.0.1", pool.port(), Optional.of(pool.address())),
            poolKey,
            PoolClient.Role.OPERATOR)) {
      assertThat(operator.settle().getTx()).isNotEmpty();
    }
    assertThat(has(payer.address())).isEqualTo(MINT - DEPOSIT - 2 * FEE - charged);
    assertThat(has(providerKey.address()) + has(authorKey.address())).isPositive();
    assertThat(has(poolKey.address()) + has(providerKey.address()) + has(authorKey.address()))
        .as("fees, and what was earned")
        .isEqualTo(2 * FEE + charged);
    long due = due(payer.address()) + due(providerKey.address()) + due(poolKey.address());
    assertThat(due).isZero();
  }

  // ---- vouchers -------------------------------------------------------------------------------

  @Test
  void aVoucherBuysOneRequestAndIsNobodyElses() throws Exception {
    String body = body(5, "hi");
    ObjectNode way = wanted(body, "perseid-voucher");
    long price = way.path("amount").asLong();
    ObjectNode first = voucher(way, price + 500_000, payer);
    HttpResponse<String> answer = post(body, Optional.of(first));
    assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
    long charged = decoded(answer, "PAYMENT-RESPONSE").path("extra").path("chargedAmount").asLong();
    assertThat(charged).isEqualTo(PromptBackend.PROMPT_TOKENS + 3 * 5);

    // Seen on the way and sent again, though it covers much more than was spent.
    HttpResponse<String> replayed = post(body, Optional.of(first));
    assertThat(replayed.statusCode()).isEqualTo(402);
    JsonNode told = decoded(replayed, "PAYMENT-REQUIRED");
    assertThat(told.path("error").asText()).isEqualTo("perseid_voucher_already_used");
    assertThat(told.path("accepts").get(0).path("extra").path("leastCumulative").asLong())
        .isEqualTo(price + 500_001);
    // One that was never sent, but does not cover what was spent and this.
    assertThat(post(body, Optional.of(voucher(way, price - 1, payer))).body())
        .contains("perseid_voucher_too_low");
    // Signed by somebody else.
    HttpResponse<String> forged =
        post(body, Optional.of(voucher(way, price + 600_000, Key.generate())));
    assertThat(forged.body()).contains("invalid_perseid_voucher_signature");
    assertThat(decoded(forged, "PAYMENT-REQUIRED").toString())
        .as("nobody is told what another owes")
        .doesNotContain(payer.address().toString());
    // More than the purse has.
    HttpResponse<String> poor = post(body, Optional.of(voucher(way, DEPOSIT + 1, payer)));
    assertThat(poor.statusCode()).isEqualTo(402);
    assertThat(poor.body()).contains("insufficient_funds");
    assertThat(backend.asked.get()).isEqualTo(1);

    // After a restart too.
    Until.holds(() -> purse().spent() == charged);
    author.close();
    pool.close();
    provider.close();
    startPool();
    startProvider();
    assertThat(post(body, Optional.of(first)).body()).contains("perseid_voucher_already_used");
    assertThat(post(body, Optional.of(voucher(way, price + 500_001, payer))).statusCode())
        .isEqualTo(200);
    assertThat(
            post(body(5, "fail"), Optional.of(voucher(way, price + 500_100, payer))).statusCode())
        .isIn(402, 502);
    Until.holds(() -> purse().spent() == 2 * charged);
    assertThat(has(payer.address())).as("no transaction").isEqualTo(MINT - DEPOSIT);
  }

  @Test
  void theWordOfCodeIsNoVoucher() throws Exception {
    // Its code says yes to every signature (ERC-1271), today.
    Address smart = Key.generate().address();
    lab.local.code(smart, HexFormat.of().parseHex("631626ba7e60e01b60005260206000f3"));
    lab.deposit(poolKey.address(), smart, 1_000_000);
    Until.holds(() -> {
      try {
        return pool.mill().ask(p -> p.purse(smart)).isPresent();
      } catch (PoolMill.Unavailable e) {
        throw new AssertionError(e);
      }
    });
    String body = body(5, "hi");
    ObjectNode way = wanted(body, "perseid-voucher");
    long price = way.path("amount").asLong();
    HttpResponse<String> answer =
        post(body, Optional.of(voucher(way, smart, price, Key.generate())));
    assertThat(answer.statusCode()).as(answer.body()).isEqualTo(402);
    assertThat(answer.body()).contains("invalid_perseid_voucher_signature").contains("no key");

    // A key to whose account code was given (EIP-7702) is a key as before.
    lab.local.code(payer.address(), HexFormat.of().parseHex("5f5ffd"));
    assertThat(post(body, Optional.of(voucher(way, price, payer))).statusCode()).isEqualTo(200);
  }

  @Test
  void creditsWithVouchersAreTakenToo() throws Exception {
    author.close();
    pool.close();
    provider.close();
    onCredits = true;
    startPool();
    publish();
    startProvider();
    pool.mill().command(new Command.Grant(payer.address(), 100_000, "for tests"));
    String body = body(5, "hi");
    HttpResponse<String> refused = post(body, Optional.empty());
    JsonNode accepts = decoded(refused, "PAYMENT-REQUIRED").path("accepts");
    assertThat(accepts).hasSize(1);
    ObjectNode way = (ObjectNode) accepts.get(0);
    assertThat(way.path("network").asText()).matches("perseid:[a-z2-7]{32}");
    assertThat(way.path("asset").asText()).isEqualTo("microcredits");
    long price = way.path("amount").asLong();
    HttpResponse<String> answer = post(body, Optional.of(voucher(way, price, payer)));
    assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
    long charged = decoded(answer, "PAYMENT-RESPONSE").path("extra").path("spentAmount").asLong();
    assertThat(charged).isEqualTo(PromptBackend.PROMPT_TOKENS + 3 * 5);
    Until.holds(() -> purse().spent() == charged);
    assertThat(post(body, Optional.of(voucher(way, price, payer))).body())
        .contains("perseid_voucher_already_used");
  }

  @Test
  void aHundredRequestsInARowNeverRunOutOfRungs() throws Exception {
    String body = body(1, "hi");
    ObjectNode way = wanted(body, "perseid-voucher");
    long price = way.path("amount").asLong();
    long spent = 0;
    for (int i = 0; i < 100; i++) {
      HttpResponse<String> answer = post(body, Optional.of(voucher(way, spent + price, payer)));
      assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
      spent = decoded(answer, "PAYMENT-RESPONSE").path("extra").path("spentAmount").asLong();
    }
    assertThat(spent).isEqualTo(100L * (PromptBackend.PROMPT_TOKENS + 3));
  }
}
