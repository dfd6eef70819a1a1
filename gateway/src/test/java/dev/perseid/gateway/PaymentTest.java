package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Address;
import dev.perseid.core.ModelTask;
import dev.perseid.inference.Failure;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/// Requests that pay for themselves (x402): what the gateway says, takes, refuses and gives back.
class PaymentTest {
  private static final String CHAT = "/v1/chat/completions";
  private static final String BODY =
      "{\"model\":\"m\",\"max_tokens\":50,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";
  private static final String STREAM = BODY.replace("{\"model\"", "{\"stream\":true,\"model\"");
  private static final Address PAYER = new Address(5, 5, 5);

  private final HttpClient http = HttpClient.newHttpClient();
  private final ScriptedMarket market = new ScriptedMarket();
  private final ScriptedTill till = new ScriptedTill();
  private Gateway gateway;

  @BeforeEach
  void start() throws Exception {
    market.till = Optional.of(till);
    market.serve(
        "m",
        ModelTask.CHAT,
        (request, max, receiver) ->
            request.stream()
                ? ScriptedMarket.answers(
                        OpenAiDialectTest.BILL,
                        OpenAiDialectTest.chunk("a", ""),
                        OpenAiDialectTest.chunk("", "stop"))
                    .ask(request, max, receiver)
                : ScriptedMarket.answers(OpenAiDialectTest.BILL, OpenAiDialectTest.WHOLE)
                    .ask(request, max, receiver));
    gateway = Gateway.start(GatewayConfig.loopback(), market);
  }

  @AfterEach
  void stop() {
    gateway.close();
    http.close();
  }

  private HttpResponse<String> post(String path, String body, String... headers) throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create(gateway.url() + path))
            .timeout(Duration.ofSeconds(30))
            .header("content-type", "application/json");
    if (headers.length > 0) {
      request.headers(headers);
    }
    return http.send(
        request.POST(HttpRequest.BodyPublishers.ofString(body)).build(),
        HttpResponse.BodyHandlers.ofString());
  }

  private static JsonNode decoded(HttpResponse<?> response, String header) throws Exception {
    return Json.MAPPER.readTree(
        Base64.getDecoder().decode(response.headers().firstValue(header).orElseThrow()));
  }

  private JsonNode required(String body) throws Exception {
    HttpResponse<String> response = post(CHAT, body);
    assertThat(response.statusCode()).isEqualTo(402);
    return decoded(response, "PAYMENT-REQUIRED");
  }

  /// As a client makes it of one of the ways in a PAYMENT-REQUIRED.
  private static ObjectNode payment(JsonNode accepted) {
    ObjectNode out = Json.object();
    out.put("x402Version", 2);
    out.set("accepted", accepted.deepCopy());
    ObjectNode payload = out.putObject("payload");
    payload.put("signature", "0x" + "ab".repeat(65));
    if (accepted.path("scheme").asText().equals("exact")) {
      payload
          .putObject("authorization")
          .put("from", PAYER.toString())
          .put("to", accepted.path("payTo").asText())
          .put("value", accepted.path("amount").asText())
          .put("validAfter", "0")
          .put("validBefore", "2000000000")
          .put("nonce", "0x" + "01".repeat(32));
    } else {
      payload
          .putObject("voucher")
          .put("consumer", PAYER.toString())
          .put("pool", accepted.path("payTo").asText())
          .put("cumulative", "5000");
    }
    return out;
  }

  private static String header(JsonNode payment) {
    return Base64.getEncoder().encodeToString(Json.bytes(payment));
  }

  private static JsonNode way(JsonNode required, String scheme) {
    for (JsonNode one : required.path("accepts")) {
      if (one.path("scheme").asText().equals(scheme)) {
        return one;
      }
    }
    throw new AssertionError(scheme + " is not in " + required);
  }

  // ---- what it costs --------------------------------------------------------------------------

  @Test
  void whoShowsNoKeyIsToldWhatARequestMayCost() throws Exception {
    HttpResponse<String> response = post(CHAT, BODY);
    assertThat(response.statusCode()).isEqualTo(402);
    assertThat(Json.MAPPER.readTree(response.body()).path("error").path("message").asText())
        .contains("no key in the request");
    assertThat(response.headers().firstValue("cache-control")).contains("no-store");
    JsonNode required = decoded(response, "PAYMENT-REQUIRED");
    assertThat(required.path("x402Version").asInt()).isEqualTo(2);
    assertThat(required.path("error").asText()).isEqualTo("payment_required");
    assertThat(required.path("resource").path("url").asText()).isEqualTo(gateway.url() + CHAT);
    assertThat(required.path("resource").path("mimeType").asText()).isEqualTo("application/json");
    assertThat(required.path("extensions").isObject()).isTrue();
    JsonNode exact = way(required, "exact");
    long most = BODY.length() + 2 * 50;
    assertThat(exact.path("amount").asText()).isEqualTo(Long.toString(most + 7));
    assertThat(exact.path("network").asText()).isEqualTo("eip155:31337");
    assertThat(exact.path("asset").asText()).isEqualTo(ScriptedTill.TOKEN.toString());
    assertThat(exact.path("payTo").asText()).isEqualTo(ScriptedTill.POOL.toString());
    assertThat(exact.path("maxTimeoutSeconds").asInt()).isEqualTo(120);
    assertThat(exact.path("extra").path("name").asText()).isEqualTo("Test Dollar");
    assertThat(exact.path("extra").path("version").asText()).isEqualTo("1");
    JsonNode voucher = way(required, "perseid-voucher");
    assertThat(voucher.path("amount").asText()).isEqualTo(Long.toString(most));
    assertThat(voucher.path("extra").path("chainId").asText()).isEqualTo("31337");
    assertThat(voucher.path("extra").has("consumer")).isFalse();
    assertThat(market.asked).isEmpty();
    assertThat(till.payments).isEmpty();
  }

  @TestFactory
  Stream<DynamicTest> everyProtocolSaysItInItsOwnShape() {
    String chat = "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]";
    return Map.of(
            CHAT,
            BODY,
            "/v1/completions",
            "{\"model\":\"m\",\"prompt\":\"x\"}",
            "/v1/responses",
            "{\"model\":\"m\",\"input\":\"x\"}",
            "/v1/messages",
            "{\"model\":\"m\",\"max_tokens\":9," + chat + "}",
            "/api/chat",
            "{\"model\":\"m\"," + chat + "}",
            "/api/generate",
            "{\"model\":\"m\",\"prompt\":\"x\"}")
        .entrySet()
        .stream()
        .map(route ->
            DynamicTest.dynamicTest(
                route.getKey(),
                () -> {
                  HttpResponse<String> response = post(route.getKey(), route.getValue());
                  assertThat(response.statusCode()).isEqualTo(402);
                  assertThat(response.body()).contains("no key in the request");
                  assertThat(decoded(response, "PAYMENT-REQUIRED").path("accepts")).hasSize(2);
                }));
  }

  @Test
  void aKeyThatMeansNoneCountsAsNone() throws Exception {
    assertThat(post(CHAT, BODY, "authorization", "Bearer x402").statusCode()).isEqualTo(402);
    HttpResponse<String> wrong = post(CHAT, BODY, "authorization", "Bearer sk-wrong");
    assertThat(wrong.statusCode()).isEqualTo(401);
    assertThat(wrong.headers().firstValue("PAYMENT-REQUIRED")).isEmpty();
  }

  @Test
  void anAccountThatCannotPayIsToldHowElseItCould() throws Exception {
    market.serve(
        "dear",
        ModelTask.CHAT,
        (request, max, receiver) -> new Market.Placed.Unpaid("There are 3 and it takes 9."));
    HttpResponse<String> response =
        post(CHAT, BODY.replace("\"m\"", "\"dear\""), "authorization", "Bearer sk-test");
    assertThat(response.statusCode()).isEqualTo(402);
    assertThat(response.body()).contains("There are 3 and it takes 9.");
    assertThat(decoded(response, "PAYMENT-REQUIRED").path("error").asText())
        .isEqualTo("insufficient_quota");
  }

  @Test
  void withoutATillNothingChanges() throws Exception {
    till.open = List.of();
    HttpResponse<String> response = post(CHAT, BODY);
    assertThat(response.statusCode()).isEqualTo(401);
    assertThat(response.headers().firstValue("PAYMENT-REQUIRED")).isEmpty();
    market.till = Optional.empty();
    assertThat(post(CHAT, BODY).statusCode()).isEqualTo(401);
  }

  @Test
  void routesThatCostNothingStillNeedAKey() throws Exception {
    HttpResponse<String> response =
        http.send(
            HttpRequest.newBuilder(URI.create(gateway.url() + "/v1/models")).build(),
            HttpResponse.BodyHandlers.ofString());
    assertThat(response.statusCode()).isEqualTo(401);
    assertThat(post("/v1/messages/count_tokens", BODY).statusCode()).isEqualTo(401);
  }

  @Test
  void anAddressGetsOnlySoManyPricesAMinute() throws Exception {
    for (int i = 0; i < GatewayLimits.UNPAID; i++) {
      assertThat(post(CHAT, BODY).statusCode()).isEqualTo(402);
    }
    HttpResponse<String> response = post(CHAT, BODY);
    assertThat(response.statusCode()).isEqualTo(429);
    assertThat(response.headers().firstValue("retry-after")).isPresent();
    // Keys are not concerned.
    assertThat(post(CHAT, BODY, "authorization", "Bearer sk-test").statusCode()).isEqualTo(200);
  }

  // ---- paying ---------------------------------------------------------------------------------

  @Test
  void aPaymentIsTakenAndTheAnswerSaysWhatBecameOfIt() throws Exception {
    JsonNode way = way(required(BODY), "exact");
    HttpResponse<String> response = post(CHAT, BODY, "PAYMENT-SIGNATURE", header(payment(way)));
    assertThat(response.statusCode()).isEqualTo(200);
    JsonNode answer = decoded(response, "PAYMENT-RESPONSE");
    assertThat(answer.path("success").asBoolean()).isTrue();
    assertThat(answer.path("transaction").asText()).isEqualTo("0xabc");
    assertThat(answer.path("network").asText()).isEqualTo("eip155:31337");
    assertThat(answer.path("payer").asText()).isEqualTo(PAYER.toString());
    assertThat(answer.path("amount").asText()).isEqualTo(way.path("amount").asText());
    assertThat(answer.path("extra").path("chargedAmount").asText()).isEqualTo("14");
    assertThat(answer.path("extra").path("returnedAmount").asText())
        .isEqualTo(Long.toString(way.path("amount").asLong() - 7 - 14));
    assertThat(market.asked).hasSize(1);
    assertThat(market.asked.getFirst().caller().account()).isEqualTo(PAYER);
    assertThat(till.over.get()).isEqualTo(1);
    assertThat(gateway.running()).isZero();
  }

  @Test
  void aVoucherIsTakenAndTheAnswerSaysWhatIsOwed() throws Exception {
    JsonNode way = way(required(BODY), "perseid-voucher");
    HttpResponse<String> response =
        post(CHAT, BODY, "PAYMENT-SIGNATURE", header(payment(way)), "authorization", "Bearer any");
    assertThat(response.statusCode()).isEqualTo(200);
    JsonNode answer = decoded(response, "PAYMENT-RESPONSE");
    assertThat(answer.path("amount").asText()).isEqualTo("14");
    assertThat(answer.path("extra").path("chargedAmount").asText()).isEqualTo("14");
    assertThat(answer.path("extra").path("spentAmount").asText()).isEqualTo("1014");
    assertThat(answer.path("extra").path("cumulative").asText()).isEqualTo("5000");
    assertThat(till.payments)
        .containsExactly(
            new Till.Payment.Voucher(PAYER, ScriptedTill.POOL, 5_000, "ab".repeat(65)));
  }

  @Test
  void aStreamSaysItBeforeAndAfter() throws Exception {
    JsonNode way = way(required(STREAM), "exact");
    assertThat(required(STREAM).path("resource").path("mimeType").asText())
        .isEqualTo("text/event-stream");
    try (Socket socket = Client.open(gateway)) {
      Client.write(
          socket,
          "POST "
              + CHAT
              + " HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\npayment-signature: "
              + header(payment(way))
              + "\r\ncontent-length: "
              + STREAM.length()
              + "\r\n\r\n"
              + STREAM);
      String all = Client.all(socket);
      String head = all.substring(0, all.indexOf("\r\n\r\n"));
      assertThat(head).startsWith("HTTP/1.1 200").containsIgnoringCase("trailer: PAYMENT-RESPONSE");
      JsonNode before = inText(head);
      assertThat(before.path("transaction").asText()).isEqualTo("0xabc");
      assertThat(before.path("extra").has("chargedAmount")).isFalse();
      String body = all.substring(head.length());
      assertThat(body).contains("data: [DONE]");
      String comment = body.substring(body.indexOf(": payment-response ") + 19);
      assertThat(json(comment.substring(0, comment.indexOf('\n')))).isEqualTo(after(body));
      assertThat(after(body).path("extra").path("chargedAmount").asText()).isEqualTo("14");
    }
    assertThat(till.over.get()).isEqualTo(1);
  }

  private static JsonNode after(String body) throws Exception {
    return inText(body.substring(body.lastIndexOf("\r\n0\r\n")));
  }

  private static JsonNode inText(String text) throws Exception {
    int at = text.toLowerCase(java.util.Locale.ROOT).indexOf("\npayment-response: ") + 19;
    return json(text.substring(at).split("\r\n", 2)[0]);
  }

  private static JsonNode json(String base64) throws Exception {
    return Json.MAPPER.readTree(Base64.getDecoder().decode(base64.strip()));
  }

  @Test
  void whatFailsIsSaidToBeReturned() throws Exception {
    market.serve(
        "broken",
        ModelTask.CHAT,
        (request, max, receiver) -> {
          receiver.failed(new Failure(Failure.Kind.BROKEN, "it broke"), ScriptedMarket.NOTHING);
          return new Market.Placed.Running(() -> {});
        });
    String body = BODY.replace("\"m\"", "\"broken\"");
    JsonNode way = way(required(body), "exact");
    HttpResponse<String> response = post(CHAT, body, "PAYMENT-SIGNATURE", header(payment(way)));
    assertThat(response.statusCode()).isEqualTo(502);
    JsonNode answer = decoded(response, "PAYMENT-RESPONSE");
    assertThat(answer.path("success").asBoolean()).isTrue();
    assertThat(answer.path("extra").path("chargedAmount").asText()).isEqualTo("0");
    assertThat(answer.path("extra").path("returnedAmount").asText())
        .isEqualTo(Long.toString(way.path("amount").asLong() - 7));
    assertThat(till.over.get()).isEqualTo(1);
  }

  @Test
  void whoHangsUpWhileThePaymentIsTakenGetsItBack() throws Exception {
    CountDownLatch came = new CountDownLatch(1);
    Till.Payee[] waiting = new Till.Payee[1];
    till.script =
        (payment, price, payee) -> {
          waiting[0] = payee;
          came.countDown();
        };
    String payment = header(payment(way(required(BODY), "exact")));
    Socket socket = Client.open(gateway);
    Client.write(
        socket,
        "POST "
            + CHAT
            + " HTTP/1.1\r\nhost: 127.0.0.1\r\npayment-signature: "
            + payment
            + "\r\ncontent-length: "
            + BODY.length()
            + "\r\n\r\n"
            + BODY);
    assertThat(came.await(20, TimeUnit.SECONDS)).isTrue();
    socket.close();
    until(() -> gateway.running() == 0);
    waiting[0].paid(new ScriptedTill.Slip(till, 1));
    until(() -> till.over.get() == 1);
    assertThat(market.asked).isEmpty();
  }

  private static void until(java.util.function.BooleanSupplier true_) throws Exception {
    long deadline = System.nanoTime() + 20_000_000_000L;
    while (!true_.getAsBoolean()) {
      assertThat(System.nanoTime()).as("in time").isLessThan(deadline);
      Thread.onSpinWait();
    }
  }

  @Test
  void aVoucherThatIsTooLowIsToldWhatToSign() throws Exception {
    till.script =
        (payment, price, payee) ->
            payee.refused(Till.Refusal.tooLittle("voucher_too_low", "Sign more.", 900, 1_300));
    JsonNode way = way(required(BODY), "perseid-voucher");
    HttpResponse<String> response = post(CHAT, BODY, "PAYMENT-SIGNATURE", header(payment(way)));
    assertThat(response.statusCode()).isEqualTo(402);
    assertThat(response.headers().firstValue("PAYMENT-RESPONSE")).isEmpty();
    JsonNode again = decoded(response, "PAYMENT-REQUIRED");
    assertThat(again.path("error").asText()).isEqualTo("voucher_too_low");
    JsonNode extra = way(again, "perseid-voucher").path("extra");
    assertThat(extra.path("consumer").asText()).isEqualTo(PAYER.toString());
    assertThat(extra.path("spentAmount").asText()).isEqualTo("900");
    assertThat(extra.path("leastCumulative").asText()).isEqualTo("1300");
    assertThat(gateway.running()).isZero();
  }

  @Test
  void aSettlementThatFailedSaysSo() throws Exception {
    till.script =
        (payment, price, payee) ->
            payee.refused(Till.Refusal.failed("invalid_transaction_state", "It was reverted."));
    JsonNode way = way(required(BODY), "exact");
    HttpResponse<String> response = post(CHAT, BODY, "PAYMENT-SIGNATURE", header(payment(way)));
    assertThat(response.statusCode()).isEqualTo(402);
    JsonNode answer = decoded(response, "PAYMENT-RESPONSE");
    assertThat(answer.path("success").asBoolean()).isFalse();
    assertThat(answer.path("errorReason").asText()).isEqualTo("invalid_transaction_state");
    assertThat(answer.path("transaction").asText()).isEmpty();
    assertThat(market.asked).isEmpty();
  }

  @Test
  void aPriceThatRoseInBetweenIsSaidAndNothingIsTaken() throws Exception {
    JsonNode way = way(required(BODY), "exact");
    till.perByte = 3;
    HttpResponse<String> response = post(CHAT, BODY, "PAYMENT-SIGNATURE", header(payment(way)));
    assertThat(response.statusCode()).isEqualTo(402);
    assertThat(response.body()).contains("the price has changed");
    JsonNode again = way(decoded(response, "PAYMENT-REQUIRED"), "exact");
    assertThat(again.path("amount").asText())
        .isEqualTo(Long.toString(3L * BODY.length() + 100 + 7));
    assertThat(till.payments).isEmpty();
    // With the new one it works.
    assertThat(post(CHAT, BODY, "PAYMENT-SIGNATURE", header(payment(again))).statusCode())
        .isEqualTo(200);
    // One that fell in between costs less only at the end.
    till.perByte = 1;
    assertThat(post(CHAT, BODY, "PAYMENT-SIGNATURE", header(payment(again))).statusCode())
        .isEqualTo(200);
  }

  // ---- rubbish --------------------------------------------------------------------------------

  private record Bad(String name, int status, String code, Consumer<ObjectNode> change) {}

  @TestFactory
  Stream<DynamicTest> badPayments() throws Exception {
    JsonNode way = way(required(BODY), "exact");
    return Stream.of(
            new Bad("version", 402, "invalid_x402_version", p -> p.put("x402Version", 1)),
            new Bad("no version", 402, "invalid_x402_version", p -> p.remove("x402Version")),
            new Bad("scheme", 402, "unsupported_scheme", p -> accepted(p).put("scheme", "upto")),
            new Bad("network", 402, "invalid_network", p -> accepted(p).put("network", "eip155:1")),
            new Bad(
                "asset",
                402,
                "invalid_payment_requirements",
                p -> accepted(p).put("asset", new Address(9, 9, 9).toString())),
            new Bad(
                "payTo",
                402,
                "invalid_exact_evm_payload_recipient_mismatch",
                p -> accepted(p).put("payTo", new Address(9, 9, 9).toString())),
            new Bad(
                "too little agreed",
                402,
                "invalid_payment_requirements",
                p -> accepted(p).put("amount", "10")),
            new Bad("no accepted", 400, "invalid_payload", p -> p.remove("accepted")),
            new Bad("no payload", 400, "invalid_payload", p -> p.put("payload", "x")),
            new Bad("number", 400, "invalid_payload", p -> accepted(p).put("amount", 10)),
            new Bad("negative", 400, "invalid_payload", p -> authorization(p).put("value", "-1")),
            new Bad(
                "2^63",
                400,
                "invalid_payload",
                p -> authorization(p).put("value", "9223372036854775808")),
            new Bad(
                "uint256 time",
                402,
                "invalid_exact_evm_payload_authorization_valid_before",
                p -> authorization(p).put("validBefore", "9".repeat(77))),
            new Bad("from", 400, "invalid_payload", p -> authorization(p).put("from", "0x12")),
            new Bad("nonce", 400, "invalid_payload", p -> authorization(p).put("nonce", "0xzz")),
            new Bad(
                "signature",
                400,
                "invalid_payload",
                p -> ((ObjectNode) p.get("payload")).put("signature", "0xabc")))
        .map(bad ->
            DynamicTest.dynamicTest(
                bad.name(),
                () -> {
                  ObjectNode payment = payment(way);
                  bad.change().accept(payment);
                  HttpResponse<String> response =
                      post(CHAT, BODY, "PAYMENT-SIGNATURE", header(payment));
                  assertThat(response.statusCode()).as(response.body()).isEqualTo(bad.status());
                  assertThat(response.body()).contains("\"" + bad.code() + "\"");
                  if (bad.status() == 402) {
                    assertThat(decoded(response, "PAYMENT-REQUIRED").path("error").asText())
                        .isEqualTo(bad.code());
                  }
                  assertThat(till.payments).isEmpty();
                  assertThat(market.asked).isEmpty();
                }));
  }

  private static ObjectNode accepted(ObjectNode payment) {
    return (ObjectNode) payment.get("accepted");
  }

  private static ObjectNode authorization(ObjectNode payment) {
    return (ObjectNode) payment.get("payload").get("authorization");
  }

  @TestFactory
  Stream<DynamicTest> badHeaders() {
    return Stream.of(
            new String[] {"not base64", "%%%", "400"},
            new String[] {"not JSON", base64("{\"x402Version\":"), "400"},
            new String[] {"not an object", base64("[2]"), "400"},
            new String[] {"two objects", base64("{}{}"), "400"},
            new String[] {"nothing", base64(""), "400"},
            new String[] {"deep", base64("{\"a\":".repeat(200) + "1" + "}".repeat(200)), "400"},
            new String[] {"not UTF-8", "gICA", "400"},
            new String[] {"long", "A".repeat(GatewayLimits.PAYMENT_CHARS + 4), "431"},
            new String[] {"longer than all headers", "A".repeat(40_000), "431"})
        .map(bad ->
            DynamicTest.dynamicTest(
                bad[0],
                () -> {
                  HttpResponse<String> response = post(CHAT, BODY, "PAYMENT-SIGNATURE", bad[1]);
                  assertThat(response.statusCode()).isEqualTo(Integer.parseInt(bad[2]));
                  assertThat(till.payments).isEmpty();
                }));
  }

  private static String base64(String text) {
    return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void whoRepeatsWrongPaymentsIsStopped() throws Exception {
    till.script =
        (payment, price, payee) ->
            payee.refused(Till.Refusal.wrong("invalid_exact_evm_signature", "Not yours."));
    String payment = header(payment(way(required(BODY), "exact")));
    for (int i = 0; i < GatewayLimits.WRONG_PAYMENTS; i++) {
      assertThat(post(CHAT, BODY, "PAYMENT-SIGNATURE", payment).statusCode()).isEqualTo(402);
    }
    assertThat(post(CHAT, BODY, "PAYMENT-SIGNATURE", payment).statusCode()).isEqualTo(429);
    assertThat(till.payments).hasSize(GatewayLimits.WRONG_PAYMENTS);
  }

  @Test
  void anIpv6NetworkIsOneAddress() {
    assertThat(Turnstile.network("2001:db8:1:2:3:4:5:6")).isEqualTo("2001:db8:1:2");
    assertThat(Turnstile.network("2001:db8:1:2:9:9:9:9")).isEqualTo("2001:db8:1:2");
    assertThat(Turnstile.network("192.0.2.1")).isEqualTo("192.0.2.1");
  }
}
