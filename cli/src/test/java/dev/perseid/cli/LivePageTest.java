package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.journal.Findings;
import dev.perseid.journal.Trace;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a dashboard hears of a running job.
class LivePageTest {
  @TempDir Path here;

  /// The next event's lines, those of the chunks between left out.
  private static String nextEvent(BufferedReader in) throws Exception {
    String line = in.readLine();
    while (!line.startsWith("event: ")) {
      line = in.readLine();
    }
    StringBuilder event = new StringBuilder(line);
    for (line = in.readLine(); !line.isEmpty(); line = in.readLine()) {
      event.append(' ').append(line);
    }
    return event.toString();
  }

  @Test
  void aDashboardHearsEveryChangeAndTheEnd() throws Exception {
    Path file = AnalyzeTest.records(here);
    Trace first = EngineTrace.read(file, OptionalLong.of(1));
    Trace both = EngineTrace.read(file, OptionalLong.empty());
    LivePage page = LivePage.open(0);
    try (HttpClient client = HttpClient.newHttpClient();
        Socket listener = new Socket("127.0.0.1", page.port())) {
      URI root = URI.create("http://127.0.0.1:" + page.port());
      assertThat(get(client, root.resolve("/findings")).statusCode()).isEqualTo(503);
      assertThat(get(client, root.resolve("/")).statusCode()).isEqualTo(503);
      listener
          .getOutputStream()
          .write(
              "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
                  .getBytes(StandardCharsets.US_ASCII));
      BufferedReader events =
          new BufferedReader(
              new InputStreamReader(listener.getInputStream(), StandardCharsets.UTF_8));
      page.publish(new LiveFindings.Latest(first, Findings.of(first, OptionalLong.empty())));
      assertThat(nextEvent(events))
          .startsWith("event: findings id: 1 data: {")
          .contains("\"title\":\"numbers\"");
      page.publish(new LiveFindings.Latest(both, Findings.of(both, OptionalLong.empty())));
      assertThat(nextEvent(events))
          .startsWith("event: findings id: 2 data: {")
          .contains("numbers and 1 more runs");
      assertThat(get(client, root.resolve("/findings")).body()).contains("\"chain_ns\":");
      HttpResponse<String> shown = get(client, root.resolve("/"));
      assertThat(shown.body()).contains("<h1>numbers and 1 more runs</h1>");
      assertThat(get(client, root.resolve("/else")).statusCode()).isEqualTo(404);
      // A page from elsewhere that had its name changed to this address.
      try (Socket rebound = new Socket("127.0.0.1", page.port())) {
        rebound
            .getOutputStream()
            .write(
                "GET /findings HTTP/1.1\r\nHost: evil.example\r\n\r\n"
                    .getBytes(StandardCharsets.US_ASCII));
        BufferedReader answer =
            new BufferedReader(
                new InputStreamReader(rebound.getInputStream(), StandardCharsets.UTF_8));
        assertThat(answer.readLine()).contains(" 403 ");
      }
      page.close();
      assertThat(nextEvent(events)).isEqualTo("event: end data: {}");
    } finally {
      page.close();
    }
  }

  private static HttpResponse<String> get(HttpClient client, URI uri) throws Exception {
    return client.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
  }
}
