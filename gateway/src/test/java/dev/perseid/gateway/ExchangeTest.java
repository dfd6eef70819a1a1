package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelTask;
import dev.perseid.inference.Failure;
import io.netty.channel.IoHandler;
import io.netty.channel.IoHandlerContext;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Proxy;
import java.net.Socket;
import java.net.URLEncoder;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// One request from its first attempt to its end, with providers that do as they are told.
class ExchangeTest {
  private static final String PATH = "/v1/chat/completions";
  private static final byte[] A = bytes(OpenAiDialectTest.chunk("a", ""));
  private static final byte[] STOP = bytes(OpenAiDialectTest.chunk("", "stop"));
  private static final String STREAM =
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream\":true}";
  private static final String WHOLE = STREAM.replace(",\"stream\":true", "");

  private final ScriptedMarket market = new ScriptedMarket();
  private Gateway gateway;

  @AfterEach
  void stop() {
    gateway.close();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private void start(GatewayConfig config) throws Exception {
    gateway = Gateway.start(config, market);
  }

  private static GatewayConfig quick() {
    return GatewayConfig.loopback().timed(200, 200, 300, 20_000, 100);
  }

  private static ScriptedMarket.Script fails(Failure.Kind kind, byte[]... first) {
    return (request, max, receiver) -> {
      for (byte[] part : first) {
        receiver.part(part);
      }
      receiver.failed(new Failure(kind, "it failed"), ScriptedMarket.NOTHING);
      return new Market.Placed.Running(() -> {});
    };
  }

  private static ScriptedMarket.Script good() {
    return ScriptedMarket.answers(OpenAiDialectTest.BILL, new String(A), new String(STOP));
  }

  @Test
  void aFailureBeforeTheFirstPartLeadsToAnotherOffer() throws Exception {
    AtomicInteger n = new AtomicInteger();
    ScriptedMarket.Script once =
        (request, max, receiver) ->
            n.getAndIncrement() == 0
                ? fails(Failure.Kind.BROKEN).ask(request, max, receiver)
                : good().ask(request, max, receiver);
    market.serve("m", ModelTask.CHAT, once).serve("m", ModelTask.CHAT, once);
    start(GatewayConfig.loopback());
    HttpResponse<String> r = Client.post(gateway, PATH, STREAM);
    assertThat(r.statusCode()).isEqualTo(200);
    assertThat(Client.events(r.body())).hasSize(3).endsWith("[DONE]");
    assertThat(market.asked.get(0).listing().offerHash())
        .isNotEqualTo(market.asked.get(1).listing().offerHash());
    // Attempts have names of their own.
    assertThat(market.asked.get(0).request().id()).isNotEqualTo(market.asked.get(1).request().id());
  }

  @Test
  void anAnswerThatIsTooLongTakesNothingFromTheNextAttempt() throws Exception {
    AtomicInteger n = new AtomicInteger();
    ScriptedMarket.Script once =
        (request, max, receiver) -> {
          if (n.getAndIncrement() > 0) {
            return good().ask(request, max, receiver);
          }
          receiver.part(new byte[GatewayLimits.ANSWER_BYTES + 1]);
          return new Market.Placed.Running(() -> {});
        };
    market.serve("m", ModelTask.CHAT, once).serve("m", ModelTask.CHAT, once);
    start(GatewayConfig.loopback());
    HttpResponse<String> r = Client.post(gateway, PATH, STREAM);
    assertThat(r.statusCode()).isEqualTo(200);
    assertThat(Client.events(r.body())).endsWith("[DONE]");
  }

  @Test
  void whoeverWaitsLongForTheOnlyOfferKeepsNoLoopBusy() throws Exception {
    AtomicLong rounds = new AtomicLong();
    MultiThreadIoEventLoopGroup loops = new MultiThreadIoEventLoopGroup(1, counting(rounds));
    try {
      market.serve("m", ModelTask.CHAT, market.leaves(receiver -> {}));
      start(quick().on(loops));
      try (Socket socket = new Socket("127.0.0.1", gateway.port())) {
        socket.setSoTimeout(20_000);
        byte[] body = bytes(STREAM);
        String head =
            "POST "
                + PATH
                + " HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk-test\r\n"
                + "content-length: "
                + body.length
                + "\r\n\r\n";
        socket.getOutputStream().write(bytes(head));
        socket.getOutputStream().write(body);
        BufferedReader lines =
            new BufferedReader(
                new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
        // A comment comes every 100 ms; patience ends after 200.
        long from = 0;
        long fromNs = 0;
        for (int comments = 0; comments < 15; ) {
          if (lines.readLine().startsWith(": ") && ++comments == 5) {
            from = rounds.get();
            fromNs = System.nanoTime();
          }
        }
        // The gateway's own clock needs some 30 a second; a timer that rings each millisecond a
        // thousand more. The time is part of it because a busy machine is late with its comments.
        long ms = (System.nanoTime() - fromNs) / 1_000_000;
        assertThat(rounds.get() - from).isLessThan(100 + ms * 3 / 10);
      }
    } finally {
      gateway.close();
      loops.shutdownGracefully(0, 2, TimeUnit.SECONDS).awaitUninterruptibly();
    }
  }

  /// Counts for how many moments a loop is set. Not how often it goes round: it goes round without
  /// a pause in the last half of a millisecond before each.
  private static IoHandlerFactory counting(AtomicLong rounds) {
    IoHandlerFactory usual = NioIoHandler.newFactory();
    return executor -> {
      IoHandler handler = usual.newHandler(executor);
      AtomicLong set = new AtomicLong();
      return (IoHandler)
          Proxy.newProxyInstance(
              ExchangeTest.class.getClassLoader(),
              new Class<?>[] {IoHandler.class},
              (proxy, method, args) -> {
                if (method.getName().equals("run")
                    && args[0] instanceof IoHandlerContext context
                    && set.getAndSet(context.deadlineNanos()) != context.deadlineNanos()) {
                  rounds.incrementAndGet();
                }
                return method.invoke(handler, args);
              });
    };
  }

  @Test
  void whatAProviderHasBesideItsAnswerBreaksNothing() throws Exception {
    for (String odd : List.of("7", "[]", "\"x\"", "null", "true")) {
      market
          .serve(
              "e" + odd.length() + odd.charAt(0),
              ModelTask.EMBED,
              ScriptedMarket.answers(
                  OpenAiDialectTest.BILL, "{\"data\":[{\"embedding\":[1]}],\"usage\":" + odd + "}"))
          .serve(
              "p" + odd.length() + odd.charAt(0),
              ModelTask.PREDICT,
              ScriptedMarket.answers(
                  OpenAiDialectTest.BILL,
                  "{\"outputs\":[{\"name\":\"y\",\"datatype\":\"INT8\",\"shape\":[1],\"data\":[1],"
                      + "\"parameters\":"
                      + odd
                      + "}],\"parameters\":"
                      + odd
                      + "}"));
    }
    start(GatewayConfig.loopback());
    for (Model model : market.catalog().models()) {
      HttpResponse<String> r =
          model.task() == ModelTask.EMBED
              ? Client.post(
                  gateway,
                  "/v1/embeddings",
                  Json.object().put("model", model.name()).put("input", "x").toString())
              : Client.post(
                  gateway,
                  "/v2/models/"
                      + URLEncoder.encode(model.name(), StandardCharsets.UTF_8)
                      + "/infer",
                  "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"INT8\",\"shape\":[1],\"data\":[1]}],"
                      + "\"outputs\":[{\"name\":\"y\",\"parameters\":{\"binary_data\":true}}]}");
      assertThat(r.statusCode()).as(model.name()).isEqualTo(200);
      assertThat(r.body()).contains("\"cost\"");
    }
  }

  @Test
  void aFailureAfterItIsToldInTheStream() throws Exception {
    market.serve("m", ModelTask.CHAT, fails(Failure.Kind.BROKEN, A));
    start(GatewayConfig.loopback());
    HttpResponse<String> r = Client.post(gateway, PATH, STREAM);
    assertThat(r.statusCode()).isEqualTo(200);
    List<String> events = Client.events(r.body());
    assertThat(events).hasSize(2);
    JsonNode error = Json.MAPPER.readTree(events.get(1)).path("error");
    assertThat(error.path("code").textValue()).isEqualTo("provider_failed");
    assertThat(market.asked).hasSize(1);
  }

  @Test
  void aWholeAnswerThatBreaksOffLeavesNoTrace() throws Exception {
    AtomicInteger n = new AtomicInteger();
    market.serve(
        "m",
        ModelTask.CHAT,
        (request, max, receiver) ->
            n.getAndIncrement() == 0
                ? fails(Failure.Kind.BROKEN, bytes(OpenAiDialectTest.WHOLE))
                    .ask(request, max, receiver)
                : ScriptedMarket.answers(OpenAiDialectTest.BILL, OpenAiDialectTest.WHOLE)
                    .ask(request, max, receiver));
    start(GatewayConfig.loopback());
    assertThat(Client.post(gateway, PATH, WHOLE).statusCode()).isEqualTo(200);
    assertThat(market.asked).hasSize(2);
  }

  @Test
  void emptyAndGarbledAnswersAreNoSuccess() throws Exception {
    market.serve("m", ModelTask.CHAT, ScriptedMarket.answers(OpenAiDialectTest.BILL));
    market.serve("g", ModelTask.CHAT, ScriptedMarket.answers(OpenAiDialectTest.BILL, "{\"a\":"));
    market.serve(
        "e", ModelTask.CHAT, ScriptedMarket.answers(OpenAiDialectTest.BILL, "{\"error\":{}}"));
    market.serve(
        "u",
        ModelTask.CHAT,
        ScriptedMarket.answers(OpenAiDialectTest.BILL, OpenAiDialectTest.USAGE));
    start(GatewayConfig.loopback());
    for (String model : List.of("m", "g", "e", "u")) {
      for (String body : List.of(STREAM, WHOLE)) {
        HttpResponse<String> r =
            Client.post(gateway, PATH, body.replace("\"m\"", "\"" + model + "\""));
        assertThat(r.statusCode()).as("%s %s", model, body).isEqualTo(502);
      }
    }
  }

  @Test
  void whoDoesNotBeginInTimeIsLeftForAnother() throws Exception {
    AtomicInteger n = new AtomicInteger();
    ScriptedMarket.Script script =
        (request, max, receiver) ->
            n.getAndIncrement() == 0
                ? new Market.Placed.Running(market.cancelled::incrementAndGet)
                : good().ask(request, max, receiver);
    market.serve("m", ModelTask.CHAT, script).serve("m", ModelTask.CHAT, script);
    start(quick());
    HttpResponse<String> r = Client.post(gateway, PATH, STREAM);
    assertThat(r.body()).contains("[DONE]");
    // While it waited, it was kept alive by comments.
    assertThat(r.body()).startsWith(": perseid\n\n");
    assertThat(market.cancelled).hasValue(1);
  }

  @Test
  void whoStopsInTheMiddleIsCancelledAndTheClientTold() throws Exception {
    market.serve("m", ModelTask.CHAT, market.leaves(receiver -> receiver.part(A)));
    start(quick());
    HttpResponse<String> r = Client.post(gateway, PATH, STREAM);
    assertThat(r.body()).contains("\"content\":\"a\"").contains("\"error\"").doesNotContain("DONE");
    assertThat(market.cancelled).hasValue(1);
  }

  @Test
  void anAnswerHasATimeInAll() throws Exception {
    market.serve("m", ModelTask.CHAT, market.leaves(receiver -> {}));
    start(GatewayConfig.loopback().timed(5_000, 5_000, 5_000, 200, 5_000));
    assertThat(Client.post(gateway, PATH, WHOLE).statusCode()).isEqualTo(504);
    assertThat(market.cancelled).hasValue(1);
    assertThat(gateway.running()).isZero();
  }

  @Test
  void whatComesAfterTheEndIsIgnored() throws Exception {
    market.serve(
        "m",
        ModelTask.CHAT,
        (request, max, receiver) -> {
          Thread.ofVirtual()
              .start(() -> {
                receiver.part(A);
                receiver.part(STOP);
                receiver.done(OpenAiDialectTest.BILL);
                receiver.part(A);
                receiver.failed(new Failure(Failure.Kind.BROKEN, "late"), ScriptedMarket.NOTHING);
              });
          return new Market.Placed.Running(() -> {});
        });
    start(GatewayConfig.loopback());
    for (int i = 0; i < 50; i++) {
      assertThat(Client.events(Client.post(gateway, PATH, STREAM).body()))
          .hasSize(3)
          .endsWith("[DONE]");
    }
  }

  @Test
  void aClientThatHangsUpStopsTheProvider() throws Exception {
    CountDownLatch stopped = new CountDownLatch(1);
    market.serve(
        "m",
        ModelTask.CHAT,
        (request, max, receiver) -> {
          receiver.part(A);
          return new Market.Placed.Running(stopped::countDown);
        });
    start(GatewayConfig.loopback());
    try (Socket socket = Client.open(gateway)) {
      Client.write(socket, Client.request(PATH, STREAM));
      assertThat(Client.until(socket.getInputStream(), "\"a\"")).startsWith("HTTP/1.1 200");
    }
    assertThat(stopped.await(10, TimeUnit.SECONDS)).isTrue();
  }

  @Test
  void aClientThatDoesNotReadIsCutOffAndTheProviderStopped() throws Exception {
    CountDownLatch stopped = new CountDownLatch(1);
    String long1 = OpenAiDialectTest.chunk("x".repeat(10_000), "");
    market.serve(
        "m",
        ModelTask.CHAT,
        (request, max, receiver) -> {
          Thread.ofVirtual()
              .start(() -> {
                // Until it is stopped; far more than socket buffers and the gateway hold.
                for (int i = 0; i < 10_000 && stopped.getCount() > 0; i++) {
                  receiver.part(bytes(long1));
                }
              });
          return new Market.Placed.Running(stopped::countDown);
        });
    start(GatewayConfig.loopback());
    try (Socket socket = Client.open(gateway)) {
      Client.write(socket, Client.request(PATH, STREAM));
      assertThat(stopped.await(20, TimeUnit.SECONDS)).isTrue();
      String all = Client.all(socket);
      // Not printed as a whole when it fails: it is long.
      assertThat(all.contains("client_too_slow")).isTrue();
      assertThat(all.contains("[DONE]")).isFalse();
      assertThat(all.length()).isLessThan(60_000_000);
    }
  }

  @Test
  @SuppressWarnings("unchecked") // anyOf gives back what its futures give
  void whenAllAreFullRequestsWaitForTheirTurn() throws Exception {
    BlockingQueue<Market.Receiver> running = new ArrayBlockingQueue<>(10);
    AtomicInteger room = new AtomicInteger(1);
    market.serve(
        "m",
        ModelTask.CHAT,
        (request, max, receiver) -> {
          if (room.getAndDecrement() <= 0) {
            room.incrementAndGet();
            return new Market.Placed.Full("full", 100);
          }
          running.add(receiver);
          return new Market.Placed.Running(() -> {});
        });
    start(GatewayConfig.loopback().queued(2, 2, 10_000, account -> 1));
    List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      answers.add(later());
    }
    Market.Receiver first = take(running);
    Hash model = market.catalog().models().getFirst().manifest();
    while (gateway.lobby().waiting(model) < 2) {
      Thread.onSpinWait();
    }
    // Two wait, as many as may. While one of them looks for room, another may slip in behind it;
    // but
    // soon one is refused, at once.
    List<CompletableFuture<HttpResponse<String>>> more = new ArrayList<>();
    HttpResponse<String> refused = null;
    while (refused == null) {
      more.add(later());
      try {
        Object any =
            CompletableFuture.anyOf(more.toArray(CompletableFuture[]::new))
                .get(500, TimeUnit.MILLISECONDS);
        refused = (HttpResponse<String>) any;
      } catch (TimeoutException e) {
        assertThat(more).hasSizeLessThan(20);
      }
    }
    assertThat(refused.statusCode()).isEqualTo(429);
    assertThat(refused.headers().firstValue("retry-after")).isPresent();
    answers.addAll(more);
    Market.Receiver now = first;
    while (now != null) {
      now.part(A);
      now.part(STOP);
      room.incrementAndGet();
      now.done(OpenAiDialectTest.BILL);
      boolean all = answers.stream().allMatch(CompletableFuture::isDone);
      now = running.poll(all ? 0 : 500, TimeUnit.MILLISECONDS);
    }
    for (CompletableFuture<HttpResponse<String>> answer : answers) {
      HttpResponse<String> r = answer.get(10, TimeUnit.SECONDS);
      assertThat(r.statusCode() == 429 || r.body().contains("[DONE]")).isTrue();
    }
    for (CompletableFuture<HttpResponse<String>> answer : answers.subList(0, 3)) {
      assertThat(answer.get().statusCode()).isEqualTo(200);
    }
    assertThat(gateway.running()).isZero();
  }

  private static Market.Receiver take(BlockingQueue<Market.Receiver> from) throws Exception {
    Market.Receiver receiver = from.poll(10, TimeUnit.SECONDS);
    assertThat(receiver).isNotNull();
    return receiver;
  }

  private CompletableFuture<HttpResponse<String>> later() {
    CompletableFuture<HttpResponse<String>> out = new CompletableFuture<>();
    Thread.ofVirtual()
        .start(() -> {
          try {
            out.complete(Client.post(gateway, PATH, STREAM));
          } catch (Exception e) {
            out.completeExceptionally(e);
          }
        });
    return out;
  }

  @Test
  void whoWaitsTooLongIsToldWhenToComeAgain() throws Exception {
    market.serve(
        "m", ModelTask.CHAT, (request, max, receiver) -> new Market.Placed.Full("full", 100));
    start(GatewayConfig.loopback().queued(10, 10, 150, account -> 1));
    HttpResponse<String> r = Client.post(gateway, PATH, WHOLE);
    assertThat(r.statusCode()).isEqualTo(429);
    assertThat(r.headers().firstValue("retry-after-ms")).isPresent();
    assertThat(gateway.running()).isZero();
  }

  @Test
  void aKeyHasSoManyRequestsAtOnce() throws Exception {
    CountDownLatch asked = new CountDownLatch(1);
    market.serve("m", ModelTask.CHAT, market.leaves(receiver -> asked.countDown()));
    start(GatewayConfig.loopback().sized(100_000, 100, 100, 1));
    try (Socket socket = Client.open(gateway)) {
      Client.write(socket, Client.request(PATH, STREAM));
      assertThat(asked.await(10, TimeUnit.SECONDS)).isTrue();
      HttpResponse<String> r = Client.post(gateway, PATH, STREAM);
      assertThat(r.statusCode()).isEqualTo(429);
      assertThat(r.headers().firstValue("x-ratelimit-limit-requests")).isEmpty();
    }
  }

  @Test
  void closingTheGatewayStopsWhatRuns() throws Exception {
    CountDownLatch asked = new CountDownLatch(1);
    market.serve("m", ModelTask.CHAT, market.leaves(receiver -> asked.countDown()));
    start(GatewayConfig.loopback());
    try (Socket socket = Client.open(gateway)) {
      Client.write(socket, Client.request(PATH, STREAM));
      assertThat(asked.await(10, TimeUnit.SECONDS)).isTrue();
      gateway.close();
      assertThat(market.cancelled).hasValue(1);
    }
  }
}
