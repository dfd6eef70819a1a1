package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Hash;
import io.netty.channel.EventLoopGroup;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.UnaryOperator;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What the backend makes of servers that answer, and of all the ways in which they do not.
class HttpBackendTest {
  private static final String ASK =
      "{\"model\":\"mine\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"stream\":true}";
  private static final String WHOLE = ASK.replace("true", "false");
  private static final String USAGE =
      "{\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":21,\"completion_tokens\":60,"
          + "\"prompt_tokens_details\":{\"cached_tokens\":16}}}";
  private static EventLoopGroup loops;

  @BeforeAll
  static void start() {
    loops = HttpBackend.loops(2);
  }

  @AfterAll
  static void stop() {
    loops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
  }

  private static Request request(Api api, String body, boolean stream) {
    return new Request("r1", api, Hash.ZERO, body.getBytes(StandardCharsets.UTF_8), stream);
  }

  private static HttpSettings quick(ScriptedServer server) {
    return HttpSettings.of(server.base(), "theirs").withTimes(10_000, 15_000, 15_000, 30_000);
  }

  /// Answers the probes of health, so that scripts need not.
  private static ScriptedServer server(ScriptedServer.Script script) throws IOException {
    return new ScriptedServer(call -> {
      if (call.method.equals("GET")) {
        call.json(call.path.equals("/health") ? 200 : 404, "{}");
      } else {
        script.serve(call);
      }
    });
  }

  private static String word(int i) {
    return "{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"w%d \"},\"finish_reason\":null}]}"
        .formatted(i);
  }

  private static String finish() {
    return "{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}";
  }

  private static void words(ScriptedServer.Call call, int from, int to) {
    for (int i = from; i < to; i++) {
      call.event(word(i));
    }
  }

  private static void good(ScriptedServer.Call call) {
    call.stream();
    words(call, 0, 60);
    call.event(finish());
    call.event(USAGE);
    call.event("[DONE]");
    call.end();
  }

  private static Heard heard(ScriptedServer server, Request request) throws Exception {
    return heard(server, request, s -> s);
  }

  private static Heard heard(
      ScriptedServer server, Request request, UnaryOperator<HttpSettings> change) throws Exception {
    Heard heard = new Heard();
    try (HttpBackend backend = new HttpBackend(change.apply(quick(server)), loops)) {
      backend.ask(request, heard);
      heard.ended();
    }
    return heard;
  }

  private static Heard stream(ScriptedServer.Script script) throws Exception {
    try (ScriptedServer server = server(script)) {
      return heard(server, request(Api.CHAT, ASK, true));
    }
  }

  /// For servers that fall silent: nobody wants to wait long for that.
  private static Heard silent(ScriptedServer.Script script) throws Exception {
    try (ScriptedServer server = server(script)) {
      return heard(
          server, request(Api.CHAT, ASK, true), s -> s.withTimes(10_000, 1_500, 1_000, 30_000));
    }
  }

  private static Heard whole(Api api, String body, ScriptedServer.Script script) throws Exception {
    try (ScriptedServer server = server(script)) {
      return heard(server, request(api, body, false));
    }
  }

  @Test
  void aStreamGoesThroughAndItsUsageIsTheClaim() throws Exception {
    try (ScriptedServer server = server(HttpBackendTest::good)) {
      Heard heard = heard(server, request(Api.CHAT, ASK, true), s -> s.withKey("sk-secret"));
      assertThat(heard.ended()).isEqualTo("done");
      // The usage was not asked for by the client.
      assertThat(heard.parts).hasSize(61).first().isEqualTo(word(0));
      assertThat(heard.parts).last().isEqualTo(finish());
      assertThat(heard.claim).isEqualTo(Claim.tokens(21, 16, 60));
      ScriptedServer.Call call = server.calls.getFirst();
      assertThat(call.path).isEqualTo("/v1/chat/completions");
      assertThat(call.headers).containsEntry("authorization", "Bearer sk-secret");
      assertThat(call.body)
          .isEqualTo(
              "{\"stream_options\":{\"include_usage\":true},\"model\":\"theirs\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"stream\":true}");
    }
  }

  @Test
  void theUsageIsPassedOnToWhoAskedForIt() throws Exception {
    try (ScriptedServer server = server(HttpBackendTest::good)) {
      String body =
          ASK.replace("\"stream\"", "\"stream_options\":{\"include_usage\":true},\"stream\"");
      Heard heard = heard(server, request(Api.CHAT, body, true));
      assertThat(heard.ended()).isEqualTo("done");
      assertThat(heard.parts).hasSize(62).last().isEqualTo(USAGE);
    }
  }

  // ---- the sixteen faults of the catalogue, each as this class must see it ----

  @Test
  void s01And02TooManyRequestsWithAndWithoutAWait() throws Exception {
    Heard heard = stream(c -> c.error(429, "rate_limit_exceeded", "slow", "retry-after: 2"));
    assertThat(heard.failure.kind()).isEqualTo(Failure.Kind.BUSY);
    assertThat(heard.failure.retryAfterMs()).isEqualTo(OptionalLong.of(2_000));
    heard = stream(c -> c.error(429, "rate_limit_exceeded", "slow", "retry-after-ms: 250"));
    assertThat(heard.failure.retryAfterMs()).isEqualTo(OptionalLong.of(250));
    heard = stream(c -> c.error(503, "x", "slow", "retry-after: Wed, 21 Oct 2015 07:28:00 GMT"));
    assertThat(heard.failure.retryAfterMs()).isEqualTo(OptionalLong.of(0));
    heard = stream(c -> c.error(429, "rate_limit_exceeded", "slow"));
    assertThat(heard.failure.kind()).isEqualTo(Failure.Kind.BUSY);
    assertThat(heard.failure.retryAfterMs()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "500,server_error,BROKEN", // s03
    "503,overloaded,BUSY", // s04, s15, s16
    "502,x,BROKEN",
    "504,x,TIMEOUT",
    "408,x,TIMEOUT",
    "400,context_length_exceeded,TOO_LONG", // s12
    "400,content_policy_violation,REFUSED", // s13
    "400,content_filter,REFUSED",
    "400,prefill_not_supported,INVALID", // s14
    "404,model_not_found,BROKEN",
    "404,x,INVALID",
    "413,x,INVALID",
    "422,x,INVALID",
    "401,invalid_api_key,BROKEN",
    "403,x,BROKEN",
    "302,x,BROKEN"
  })
  void aStatusHasItsMeaning(int status, String code, String kind) throws Exception {
    Heard heard = stream(c -> c.error(status, code, "It says so."));
    assertThat(heard.ended()).isEqualTo(kind);
    assertThat(heard.parts).isEmpty();
    if (kind.equals("INVALID") || kind.equals("TOO_LONG") || kind.equals("REFUSED")) {
      assertThat(heard.failure.message()).isEqualTo("It says so.");
      assertThat(heard.failure.code()).isEqualTo(code);
    }
  }

  @Test
  void aPictureForAModelThatReadsNoneIsTheConsumersFault() throws Exception {
    String said = "image input is not supported - hint: provide the mmproj";
    Heard heard = stream(c -> c.error(500, "server_error", said));
    assertThat(heard.ended()).isEqualTo("INVALID");
    assertThat(heard.failure.message()).isEqualTo(said);
  }

  @Test
  void theKeyAndWhoseFaultItIsAreNotTold() throws Exception {
    try (ScriptedServer server =
        server(c -> c.error(401, "invalid_api_key", "Incorrect key: sk-secret"))) {
      Heard heard = heard(server, request(Api.CHAT, ASK, true), s -> s.withKey("sk-secret"));
      assertThat(heard.failure.message()).doesNotContain("sk-");
    }
    try (ScriptedServer server = server(c -> c.error(500, "x", "with key sk-secret"))) {
      Heard heard = heard(server, request(Api.CHAT, ASK, true), s -> s.withKey("sk-secret"));
      assertThat(heard.failure.message()).doesNotContain("sk-secret");
    }
    assertThat(HttpSettings.of(URI.create("http://h"), "m").withKey("sk-secret").toString())
        .doesNotContain("sk-secret");
  }

  @Test
  void s05AResetBeforeTheHead() throws Exception {
    assertThat(stream(ScriptedServer.Call::cut).ended()).isEqualTo("BROKEN");
  }

  @Test
  void s06NoAnswerAtAll() throws Exception {
    Heard heard = silent(ScriptedServer.Call::untilClosed);
    assertThat(heard.ended()).isEqualTo("TIMEOUT");
  }

  @Test
  void s07AHeadAndThenNothing() throws Exception {
    Heard heard =
        silent(c -> {
          c.stream();
          c.untilClosed();
        });
    assertThat(heard.ended()).isEqualTo("TIMEOUT");
    assertThat(heard.claim).isEqualTo(Claim.NONE);
  }

  @Test
  void s08ACutStreamIsNotAnAnswer() throws Exception {
    Heard heard =
        silent(c -> {
          c.stream();
          words(c, 0, 40);
          c.untilClosed();
        });
    assertThat(heard.ended()).isEqualTo("TIMEOUT");
    assertThat(heard.parts).hasSize(40);
    assertThat(heard.claim).isEqualTo(Claim.tokens(0, 0, 40));
    // The same, but the HTTP message ends as if all were well.
    heard =
        stream(c -> {
          c.stream();
          words(c, 0, 40);
          c.end();
        });
    assertThat(heard.ended()).isEqualTo("BROKEN");
    assertThat(heard.claim.completionTokens()).isEqualTo(40);
    // The same, with the mark of the end.
    heard =
        stream(c -> {
          c.stream();
          words(c, 0, 40);
          c.event("[DONE]");
          c.end();
        });
    assertThat(heard.ended()).isEqualTo("BROKEN");
  }

  @Test
  void s08AConnectionThatCloses() throws Exception {
    CountDownLatch seen = new CountDownLatch(1);
    try (ScriptedServer server =
            server(c -> {
              c.stream();
              words(c, 0, 40);
              seen.await();
              c.cut();
            });
        HttpBackend backend = new HttpBackend(quick(server), loops)) {
      Heard heard = new Heard();
      backend.ask(request(Api.CHAT, ASK, true), heard);
      heard.firstPart.get(10, TimeUnit.SECONDS);
      seen.countDown();
      assertThat(heard.ended()).isEqualTo("BROKEN");
      assertThat(heard.claim.completionTokens()).isEqualTo(heard.parts.size()).isPositive();
    }
  }

  @Test
  void s09AStalledStream() throws Exception {
    Heard heard =
        silent(c -> {
          c.stream();
          words(c, 0, 20);
          c.untilClosed();
        });
    assertThat(heard.ended()).isEqualTo("TIMEOUT");
    assertThat(heard.failure.message()).contains("silent");
    assertThat(heard.parts).hasSize(20);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"id\":\"c1\",\"choices\":[{\"delta\":{\"con", // s10
        "null",
        "[]",
        "{}",
        "{\"choices\":[1]}",
        "{\"choices\":[{\"index\":-1}]}",
        "{\"choices\":[{\"index\":99999}]}",
        "{\"choices\":[]} trailing",
        "<html>"
      })
  void s10AMalformedChunk(String chunk) throws Exception {
    Heard heard =
        stream(c -> {
          c.stream();
          words(c, 0, 10);
          c.event(chunk);
          words(c, 10, 60);
          c.event(finish());
          c.event("[DONE]");
          c.end();
        });
    assertThat(heard.ended()).isEqualTo("BROKEN");
    assertThat(heard.parts).hasSize(10);
  }

  @Test
  void s11TheMarkOfTheEndMayBeMissing() throws Exception {
    Heard ends =
        stream(c -> {
          c.stream();
          words(c, 0, 60);
          c.event(finish());
          c.event(USAGE);
          c.end();
        });
    assertThat(ends.ended()).isEqualTo("done");
    assertThat(ends.claim.promptTokens()).isEqualTo(21);
    Heard hangs =
        stream(c -> {
          c.stream();
          words(c, 0, 60);
          c.event(finish());
          c.untilClosed();
        });
    assertThat(hangs.ended()).isEqualTo("done");
    assertThat(hangs.claim).isEqualTo(Claim.tokens(0, 0, 60));
    Heard cut =
        stream(c -> {
          c.raw(
              "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
                  + "data:"
                  + finish()
                  + "\n\n");
          throw new IOException("closes");
        });
    assertThat(cut.ended()).isEqualTo("done");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "data: {\"error\":{\"message\":\"out of memory\",\"code\":500}}\n\n",
        "event: error\ndata: {\"message\":\"out of memory\"}\n\n",
        "error: {\"message\":\"out of memory\"}\n\n",
        "data: {\"object\":\"error\",\"message\":\"out of memory\"}\n\n"
      })
  void anErrorInTheStream(String event) throws Exception {
    Heard heard =
        stream(c -> {
          c.stream();
          words(c, 0, 5);
          c.piece(event.getBytes(StandardCharsets.UTF_8));
          c.event(finish());
          c.event("[DONE]");
          c.end();
        });
    assertThat(heard.ended()).isEqualTo("BROKEN");
    assertThat(heard.failure.message()).contains("out of memory");
    assertThat(heard.parts).hasSize(5);
  }

  @Test
  void anEmptyStreamAndAPageAreNoAnswers() throws Exception {
    assertThat(
            stream(
                    c -> {
                      c.stream();
                      c.event("[DONE]");
                      c.end();
                    })
                .ended())
        .isEqualTo("BROKEN");
    assertThat(
            stream(
                    c -> {
                      c.stream();
                      c.end();
                    })
                .ended())
        .isEqualTo("BROKEN");
    assertThat(stream(c -> c.answer(200, "text/html", "<html>login</html>")).ended())
        .isEqualTo("BROKEN");
    assertThat(stream(c -> c.error(200, "x", "odd")).failure.message()).isEqualTo("odd");
    assertThat(stream(c -> c.raw("SSH-2.0-OpenSSH_9.6\r\n\r\n")).ended()).isEqualTo("BROKEN");
  }

  @Test
  void everyChoiceMustFinish() throws Exception {
    String two = ASK.replace("{\"model\"", "{\"n\":2,\"model\"");
    String other = finish().replace("\"index\":0", "\"index\":1");
    try (ScriptedServer server =
        server(c -> {
          c.stream();
          c.event(finish());
          if (c.body.contains("both")) {
            c.event(other);
          }
          c.event("[DONE]");
          c.end();
        })) {
      assertThat(heard(server, request(Api.CHAT, two, true)).ended()).isEqualTo("BROKEN");
      assertThat(heard(server, request(Api.CHAT, two.replace("hi", "both"), true)).ended())
          .isEqualTo("done");
    }
  }

  @Test
  void aLongAnswerIsCutOff() throws Exception {
    try (ScriptedServer server = server(HttpBackendTest::good)) {
      Heard heard = heard(server, request(Api.CHAT, ASK, true), s -> s.withAnswerBytes(1_000));
      assertThat(heard.ended()).isEqualTo("BROKEN");
    }
  }

  @Test
  void aWholeAnswerIsChecked() throws Exception {
    String good =
        "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}],"
            + "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}";
    Heard heard = whole(Api.CHAT, WHOLE, c -> c.json(200, good));
    assertThat(heard.ended()).isEqualTo("done");
    assertThat(heard.parts).containsExactly(good);
    assertThat(heard.claim).isEqualTo(Claim.tokens(3, 0, 1));
    for (String bad :
        List.of(
            "",
            "{}",
            "{\"choices\":[]}",
            good.replace("\"stop\"", "null"),
            good.replace("\"message\"", "\"massage\""),
            good.substring(0, good.length() - 1),
            good + good,
            "{\"error\":{\"message\":\"no\"}}",
            "<html></html>")) {
      Heard wrong = whole(Api.CHAT, WHOLE, c -> c.json(200, bad));
      assertThat(wrong.ended()).as(bad).isEqualTo("BROKEN");
      assertThat(wrong.parts).isEmpty();
    }
    Heard cut =
        whole(
            Api.CHAT,
            WHOLE,
            c -> {
              c.raw("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n" + good);
              throw new IOException("closes");
            });
    assertThat(cut.ended()).isEqualTo("BROKEN");
  }

  @Test
  void embeddingsAreCounted() throws Exception {
    String body = "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}";
    String one = "{\"embedding\":[0.5,-1e-3],\"index\":0}";
    Heard heard =
        whole(
            Api.EMBEDDING,
            body,
            c ->
                c.json(
                    200,
                    "{\"object\":\"list\",\"data\":["
                        + one
                        + ","
                        + one
                        + "],\"usage\":{\"prompt_tokens\":7}}"));
    assertThat(heard.ended()).isEqualTo("done");
    assertThat(heard.claim.rows()).isEqualTo(2);
    assertThat(heard.claim.promptTokens()).isEqualTo(7);
    for (String bad :
        List.of(
            one,
            one + "," + one.replace("0.5", "1e999"),
            one + "," + one.replace("0.5", "\"x\""),
            one + ",{\"embedding\":[]}")) {
      assertThat(whole(Api.EMBEDDING, body, c -> c.json(200, "{\"data\":[" + bad + "]}")).ended())
          .isEqualTo("BROKEN");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "[]", "{", "{\"a\":1}{}", "{\"stream_options\":3}", "{\"n\":0}"})
  void aRequestThatIsNoneIsToldSo(String body) throws Exception {
    try (ScriptedServer server = server(HttpBackendTest::good)) {
      assertThat(heard(server, request(Api.CHAT, body, true)).ended()).isEqualTo("INVALID");
      assertThat(server.calls).isEmpty();
    }
  }

  @Test
  void cancellingClosesTheConnection() throws Exception {
    CompletableFuture<String> closed = new CompletableFuture<>();
    try (ScriptedServer server =
            server(c -> {
              c.stream();
              words(c, 0, 3);
              c.untilClosed();
              closed.complete("closed");
            });
        HttpBackend backend =
            new HttpBackend(quick(server).withTimes(2_000, 9_000, 9_000, 9_000), loops)) {
      Heard heard = new Heard();
      Runnable cancel = backend.ask(request(Api.CHAT, ASK, true), heard);
      heard.firstPart.get(10, TimeUnit.SECONDS);
      cancel.run();
      cancel.run();
      assertThat(heard.ended()).isEqualTo("CANCELLED");
      assertThat(closed.get(10, TimeUnit.SECONDS)).isEqualTo("closed");
      cancel.run();
      assertThat(backend.health().running()).isZero();
    }
  }

  @Test
  void aListenerMayCancelInTheMiddleOfAPart() throws Exception {
    try (ScriptedServer server = server(HttpBackendTest::good);
        HttpBackend backend = new HttpBackend(quick(server), loops)) {
      CompletableFuture<Runnable> cancel = new CompletableFuture<>();
      Heard heard =
          new Heard() {
            @Override
            public void part(byte[] json) {
              super.part(json);
              cancel.join().run();
            }
          };
      cancel.complete(backend.ask(request(Api.CHAT, ASK, true), heard));
      assertThat(heard.ended()).isEqualTo("CANCELLED");
      assertThat(heard.parts).hasSize(1);
      assertThat(heard.claim.completionTokens()).isEqualTo(1);
    }
  }

  @Test
  void aConnectionIsUsedAgainOnTheLoopOfWhoAsks() throws Exception {
    try (ScriptedServer server = server(HttpBackendTest::good);
        HttpBackend backend = new HttpBackend(quick(server), loops)) {
      CompletableFuture<List<Heard>> all = new CompletableFuture<>();
      CompletableFuture<Thread> loop = new CompletableFuture<>();
      loops
          .next()
          .execute(() -> {
            loop.complete(Thread.currentThread());
            again(backend, new ArrayList<>(), all);
          });
      List<Heard> ten = all.get(10, TimeUnit.SECONDS);
      assertThat(ten).hasSize(10).allMatch(h -> h.parts.size() == 61);
      assertThat(ten).extracting(h -> h.thread).containsOnly(loop.get());
      assertThat(server.calls).extracting(c -> c.connection).hasSize(10);
      assertThat(server.calls.stream().map(c -> c.connection).distinct().count())
          .isLessThanOrEqualTo(2);
    }
  }

  private static void again(
      HttpBackend backend, List<Heard> before, CompletableFuture<List<Heard>> all) {
    Heard heard = new Heard();
    heard.end.thenAccept(end -> {
      before.add(heard);
      if (before.size() == 10 || !end.equals("done")) {
        all.complete(before);
      } else {
        again(backend, before, all);
      }
    });
    backend.ask(request(Api.CHAT, ASK, true), heard);
  }

  @Test
  void aConnectionThatWasJustBeingClosedIsReplaced() throws Exception {
    // Answers one request on each connection, and closes it when the next one comes.
    List<Integer> seen = new ArrayList<>();
    try (ScriptedServer server =
            server(c -> {
              synchronized (seen) {
                if (seen.contains(c.connection)) {
                  c.cut();
                }
                seen.add(c.connection);
              }
              good(c);
            });
        EventLoopGroup one = HttpBackend.loops(1);
        HttpBackend backend = new HttpBackend(quick(server), one)) {
      for (int i = 0; i < 5; i++) {
        Heard heard = new Heard();
        backend.ask(request(Api.CHAT, ASK, true), heard);
        assertThat(heard.ended()).isEqualTo("done");
      }
    }
  }

  @Test
  void whatIsBeyondTheLimitIsBusy() throws Exception {
    try (ScriptedServer server = server(ScriptedServer.Call::untilClosed);
        HttpBackend backend = new HttpBackend(quick(server).withParallel(1, 1), loops)) {
      Runnable first = backend.ask(request(Api.CHAT, ASK, true), new Heard());
      Heard second = new Heard();
      backend.ask(request(Api.CHAT, ASK, true), second);
      assertThat(second.ended()).isEqualTo("BUSY");
      first.run();
    }
  }

  @Test
  void theServersLoadIsItsHealth() throws Exception {
    String metrics =
        "# HELP x\nvllm:num_requests_running{engine=\"0\",model_name=\"a b\"} 3.0\n"
            + "vllm:num_requests_waiting{engine=\"0\"} 2.0\nvllm:kv_cache_usage_perc{} 0.5\n";
    try (ScriptedServer server =
            new ScriptedServer(
                c -> c.answer(200, "text/plain", c.path.equals("/metrics") ? metrics : ""));
        HttpBackend backend = new HttpBackend(quick(server).withParallel(32, 100), loops)) {
      Backend.Health health = until(backend, Backend.Health::healthy);
      assertThat(health).isEqualTo(new Backend.Health(true, 3, 3, 2, ""));
    }
  }

  @Test
  void slotsAreThereOrNot() {
    assertThat(ServerLoad.slots("{\"total_slots\":2}".getBytes(StandardCharsets.UTF_8)))
        .hasValue(2);
    for (String none :
        List.of("", "[]", "null", "{}", "{\"total_slots\":0}", "{\"total_slots\":\"2\"}", "{")) {
      assertThat(ServerLoad.slots(none.getBytes(StandardCharsets.UTF_8))).as(none).isEmpty();
    }
  }

  @Test
  void aServerSaysWhatItIs() throws Exception {
    for (String maker : List.of("llamacpp", "somebody")) {
      String models = "{\"data\":[{\"id\":\"m\",\"owned_by\":\"" + maker + "\"}]}";
      try (ScriptedServer server =
              new ScriptedServer(c ->
                  c.json(
                      200,
                      c.path.equals("/props")
                          ? "{\"total_slots\":3}"
                          : c.path.endsWith("/models") ? models : "{}"));
          HttpBackend backend = new HttpBackend(quick(server), loops)) {
        backend.awaitFirstLook(20_000);
        Backend.Health health = backend.health();
        assertThat(health.healthy()).isTrue();
        assertThat(health.parallel())
            .isEqualTo(maker.equals("llamacpp") ? 3 : quick(server).parallel());
        if (maker.equals("llamacpp")) {
          assertThat(backend.honours()).contains(Parameters.OF_LLAMA_SERVER);
        } else {
          assertThat(backend.honours()).isEmpty();
        }
      }
    }
  }

  @Test
  void aServerThatDiesIsKnownAtOnceAndAgainWhenItIsBack() throws Exception {
    int port;
    HttpBackend backend;
    try (ScriptedServer server =
        server(c -> {
          c.raw("HTTP/1.1 500 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
          throw new IOException("closes");
        })) {
      port = server.port();
      backend = new HttpBackend(quick(server), loops);
      until(backend, Backend.Health::healthy);
      Heard heard = new Heard();
      backend.ask(request(Api.CHAT, ASK, true), heard);
      assertThat(heard.ended()).isEqualTo("BROKEN");
    }
    try (backend) {
      // A kept connection may outlive the listening socket: ask until a new one is needed.
      for (int i = 0; i < 10 && backend.health().healthy(); i++) {
        Heard heard = new Heard();
        backend.ask(request(Api.CHAT, ASK, true), heard);
        assertThat(heard.ended()).isEqualTo("BROKEN");
      }
      assertThat(backend.health().healthy()).isFalse();
      assertThat(backend.health().problem()).contains("127.0.0.1:" + port);
      ServerSocket socket = new ServerSocket();
      socket.setReuseAddress(true);
      socket.bind(new java.net.InetSocketAddress(InetAddress.getLoopbackAddress(), port));
      try (ScriptedServer back =
          new ScriptedServer(socket, c -> c.json(c.path.equals("/health") ? 200 : 404, "{}"))) {
        assertThat(back.port()).isEqualTo(port);
        until(backend, Backend.Health::healthy);
        // It is another one, and says nothing of itself.
        assertThat(backend.honours()).isEmpty();
      }
    }
  }

  private static Backend.Health until(
      HttpBackend backend, java.util.function.Predicate<Backend.Health> wanted) {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    Backend.Health health = backend.health();
    while (!wanted.test(health) && System.nanoTime() < end) {
      LockSupport.parkNanos(1_000_000);
      health = backend.health();
    }
    assertThat(wanted.test(health)).as("%s", health).isTrue();
    return health;
  }

  @Test
  void aServerOverTlsIsTrustedByItsCertificateAlone(@TempDir Path folder) throws Exception {
    Path store = folder.resolve("server.p12");
    keytool(
        "-genkeypair -alias s -keyalg EC -groupname secp256r1 -dname CN=localhost -ext"
            + " san=ip:127.0.0.1 -validity 30 -storetype PKCS12 -storepass secret -keystore "
            + store);
    Path pem = folder.resolve("server.pem");
    keytool("-exportcert -rfc -alias s -storepass secret -keystore " + store + " -file " + pem);
    KeyStore keys = KeyStore.getInstance(store.toFile(), "secret".toCharArray());
    KeyManagerFactory factory =
        KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    factory.init(keys, "secret".toCharArray());
    SSLContext tls = SSLContext.getInstance("TLS");
    tls.init(factory.getKeyManagers(), null, null);
    ServerSocket listening =
        tls.getServerSocketFactory().createServerSocket(0, 50, InetAddress.getLoopbackAddress());
    try (ScriptedServer server = new ScriptedServer(listening, HttpBackendTest::good)) {
      HttpSettings settings =
          HttpSettings.of(URI.create("https://127.0.0.1:" + server.port()), "theirs")
              .withTimes(5_000, 5_000, 5_000, 10_000);
      try (HttpBackend backend = new HttpBackend(settings.withTrust(pem), loops)) {
        Heard heard = new Heard();
        backend.ask(request(Api.CHAT, ASK, true), heard);
        assertThat(heard.ended()).as("%s", heard.failure).isEqualTo("done");
      }
      // Nobody vouches for it: the request, with its key, must not be sent.
      int before = server.calls.size();
      try (HttpBackend backend = new HttpBackend(settings.withKey("k"), loops)) {
        Heard heard = new Heard();
        backend.ask(request(Api.CHAT, ASK, true), heard);
        assertThat(heard.ended()).isEqualTo("BROKEN");
        assertThat(server.calls).hasSize(before);
      }
    }
  }

  private static void keytool(String arguments) throws Exception {
    List<String> command =
        new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "keytool") + ""));
    command.addAll(List.of(arguments.split(" ")));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(said).isZero();
  }

  @Test
  void wrongSettingsAreNamed() {
    assertThat(
            org.assertj.core.api.Assertions.catchThrowable(
                () -> HttpSettings.of(URI.create("ftp://x"), "m")))
        .hasMessageContaining("http://");
    assertThat(
            org.assertj.core.api.Assertions.catchThrowable(() ->
                new HttpBackend(
                    HttpSettings.of(URI.create("https://127.0.0.1:1"), "m")
                        .withTrust(Path.of("nowhere.pem")),
                    loops)))
        .hasMessageContaining("nowhere.pem");
  }
}
