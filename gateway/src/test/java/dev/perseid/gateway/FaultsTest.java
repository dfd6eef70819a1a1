package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.perseid.core.ModelTask;
import dev.perseid.inference.Backend;
import dev.perseid.inference.HttpBackend;
import dev.perseid.inference.HttpSettings;
import io.netty.channel.EventLoopGroup;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The sixteen faults of an upstream server, through a real backend and the gateway: what comes out
/// is either whole, or an error. Never is a piece passed off as an answer.
class FaultsTest {
  private static FaultyServer server;
  private static EventLoopGroup loops;
  private static Gateway gateway;
  private static DirectMarket market;
  private static final List<Backend> BACKENDS = new ArrayList<>();

  /// What a client made of a stream.
  record Seen(int status, String text, boolean done, String error, String model, JsonNode usage) {}

  @BeforeAll
  static void start() throws Exception {
    server = new FaultyServer();
    loops = HttpBackend.loops(2);
    market = new DirectMarket();
    List<String> models = new ArrayList<>(List.of("fb-ok", "fb-noprefill", "empty"));
    for (int i = 1; i <= 16; i++) {
      models.add("s%02d".formatted(i));
    }
    for (String model : models) {
      HttpBackend backend =
          new HttpBackend(
              HttpSettings.of(server.url(), model).withTimes(5_000, 30_000, 30_000, 60_000), loops);
      BACKENDS.add(backend);
      market.serve(model, ModelTask.CHAT, backend);
    }
    gateway =
        Gateway.start(
            GatewayConfig.loopback().on(loops).timed(400, 5_000, 400, 30_000, 5_000), market);
  }

  @AfterAll
  static void stop() throws Exception {
    gateway.close();
    BACKENDS.forEach(Backend::close);
    server.close();
    loops.shutdownGracefully();
  }

  private static Seen ask(String primary, String fallback) throws Exception {
    HttpResponse<String> r =
        Client.post(
            gateway,
            "/v1/chat/completions",
            "{\"model\":\""
                + primary
                + "\",\"models\":[\""
                + primary
                + "\",\""
                + fallback
                + "\"],\"messages\":[{\"role\":\"user\",\"content\":\"explain\"}],"
                + "\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
    StringBuilder text = new StringBuilder();
    boolean done = false;
    String error = "";
    String model = "";
    JsonNode usage = Json.MAPPER.missingNode();
    if (r.statusCode() != 200) {
      error = Json.MAPPER.readTree(r.body()).path("error").path("code").asText("error");
    } else {
      for (String event : Client.events(r.body())) {
        if (event.equals("[DONE]")) {
          done = true;
          continue;
        }
        JsonNode json = Json.MAPPER.readTree(event);
        if (json.has("error")) {
          error = json.path("error").path("code").asText("error");
          continue;
        }
        model = json.path("model").asText();
        text.append(json.path("choices").path(0).path("delta").path("content").asText(""));
        usage = json.has("usage") ? json.path("usage") : usage;
      }
    }
    Seen seen = new Seen(r.statusCode(), text.toString(), done, error, model, usage);
    // The law: a success is whole, an error is one.
    if (error.isEmpty()) {
      assertThat(seen.text).isEqualTo(FaultyServer.text());
      assertThat(seen.done).isTrue();
      assertThat(seen.usage.path("total_tokens").intValue()).isEqualTo(81);
    } else {
      assertThat(seen.done).isFalse();
    }
    return seen;
  }

  @ParameterizedTest(name = "{0} {1}")
  @CsvSource({
    "s01, 429 with retry-after, fb-ok, 1",
    "s02, 429 always, fb-ok, 1",
    "s03, 500 once, s03, 2",
    "s04, 503 always, fb-ok, 1",
    "s05, reset before the head, s05, 2",
    "s06, no answer at all, fb-ok, 1",
    "s07, first token too late, fb-ok, 1",
    "s11, no end mark after a complete answer, s11, 1",
    "s12, context too short, fb-ok, 1",
    "s16, which model answered, fb-ok, 1",
    "empty, nothing in the stream, fb-ok, 2",
  })
  void beforeTheFirstTokenAFaultIsNotSeen(String model, String what, String by, int times)
      throws Exception {
    Seen seen = ask(model, "fb-ok");
    assertThat(seen.error).as(what).isEmpty();
    assertThat(seen.model).isEqualTo(by);
    assertThat(server.asked(model)).isEqualTo(times);
  }

  @ParameterizedTest(name = "{0} {1}")
  @CsvSource({
    "s08, cut, fb-ok, 40",
    "s09, stalled, fb-ok, 20",
    "s10, malformed chunk, fb-ok, 10",
    "s14, cut where the other takes no beginning, fb-noprefill, 40",
  })
  void afterItTheClientIsTold(String model, String what, String fallback, int words)
      throws Exception {
    Seen seen = ask(model, fallback);
    assertThat(seen.status).isEqualTo(200);
    assertThat(seen.error).as(what).isNotEmpty();
    assertThat(seen.text.split(" ")).hasSize(words);
    assertThat(server.prefilled).isEmpty();
  }

  @Test
  void whatIsRefusedForItsContentIsNotAskedOfAnother() throws Exception {
    Seen seen = ask("s13", "fb-ok");
    assertThat(seen.status).isEqualTo(400);
    assertThat(seen.error).isNotEmpty();
    assertThat(server.asked("s13")).isEqualTo(1);
  }

  @Test
  void aModelThatRecoversIsAskedAgain() throws Exception {
    long until = System.nanoTime() + 15_000_000_000L;
    Seen seen = ask("s15", "fb-ok");
    assertThat(seen.model).isEqualTo("fb-ok");
    while (!seen.model.equals("s15")) {
      assertThat(System.nanoTime()).isLessThan(until);
      seen = ask("s15", "fb-ok");
      assertThat(seen.error).isEmpty();
    }
    // While it was out it was tried now and then, not by every request.
    assertThat(server.asked("s15")).isEqualTo(FaultyServer.OUTAGE + 1);
  }
}
