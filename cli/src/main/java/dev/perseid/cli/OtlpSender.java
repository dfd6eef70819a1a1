package dev.perseid.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.perseid.journal.Otlp;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.URLDecoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;

/// Sends spans to a collector by OTLP over HTTP, in JSON. What the collector says to send again is
/// sent again, later; ids do not change, so nothing is there twice. Headers (keys) come from the
/// variable `OTEL_EXPORTER_OTLP_HEADERS`, because arguments are seen by others.
final class OtlpSender {
  static final String HEADERS = "OTEL_EXPORTER_OTLP_HEADERS";
  private static final String PATH = "v1/traces";
  private static final int TRIES = 5;
  private static final long FIRST_PAUSE_MS = 500;
  private static final long LONGEST_PAUSE_MS = 30_000;
  private static final Duration TIMEOUT = Duration.ofSeconds(30);
  private static final int ANSWER_CHARS = 200;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final URI endpoint;
  private final Map<String, String> headers;

  private OtlpSender(URI endpoint, Map<String, String> headers) {
    this.endpoint = endpoint;
    this.headers = headers;
  }

  /// @param url of the collector; `/v1/traces` is added where it is missing
  static OtlpSender to(String url, Map<String, String> environment) throws BadInput {
    URI base;
    try {
      base = URI.create(url.strip());
    } catch (IllegalArgumentException e) {
      throw wrong(url);
    }
    if (base.getHost() == null
        || !("http".equals(base.getScheme()) || "https".equals(base.getScheme()))) {
      throw wrong(url);
    }
    String text = base.toString();
    URI endpoint =
        text.endsWith("/" + PATH)
            ? base
            : URI.create(text + (text.endsWith("/") ? "" : "/") + PATH);
    Map<String, String> headers = headers(environment.getOrDefault(HEADERS, ""));
    boolean here = base.getHost().matches("localhost|127\\..*|\\[::1]");
    if (!headers.isEmpty() && base.getScheme().equals("http") && !here) {
      throw new BadInput(
          "--otlp: " + HEADERS + " would be sent without encryption; write an https address");
    }
    return new OtlpSender(endpoint, headers);
  }

  private static BadInput wrong(String url) {
    return new BadInput(
        "--otlp: '" + url + "' is no address of a collector; write e.g. http://localhost:4318");
  }

  private static Map<String, String> headers(String text) throws BadInput {
    Map<String, String> headers = new LinkedHashMap<>();
    for (String pair : text.split(",", -1)) {
      if (pair.isBlank()) {
        continue;
      }
      int at = pair.indexOf('=');
      if (at < 1) {
        throw new BadInput(HEADERS + ": write name=value, several with commas between");
      }
      headers.put(
          pair.substring(0, at).strip(),
          URLDecoder.decode(pair.substring(at + 1).strip(), StandardCharsets.UTF_8));
    }
    return headers;
  }

  /// Sends all; returns how many spans the collector did not want.
  long send(Otlp spans) throws BadInput, IOException {
    long rejected = 0;
    try (HttpClient client = HttpClient.newBuilder().connectTimeout(TIMEOUT).build()) {
      for (int i = 0; i < spans.requests(); i++) {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        spans.write(i, body);
        rejected += send(client, body.toByteArray());
      }
    }
    return rejected;
  }

  private long send(HttpClient client, byte[] body) throws BadInput, IOException {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(endpoint)
            .timeout(TIMEOUT)
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofByteArray(body));
    headers.forEach(request::header);
    long pauseMs = FIRST_PAUSE_MS;
    for (int attempt = 1; ; attempt++) {
      HttpResponse<String> answer;
      try {
        answer = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("interrupted while sending to " + endpoint, e);
      }
      int status = answer.statusCode();
      if (status / 100 == 2) {
        return rejected(answer.body());
      }
      boolean again = status == 429 || status == 502 || status == 503 || status == 504;
      if (!again || attempt == TRIES) {
        String said = answer.body().strip();
        throw new IOException(
            endpoint
                + " answered "
                + status
                + (said.isEmpty()
                    ? ""
                    : ": " + said.substring(0, Math.min(ANSWER_CHARS, said.length())))
                + (again ? ", " + TRIES + " times" : ""));
      }
      LockSupport.parkNanos(Duration.ofMillis(pause(answer, pauseMs)).toNanos());
      pauseMs *= 2;
    }
  }

  private static long pause(HttpResponse<String> answer, long usualMs) {
    String told = answer.headers().firstValue("Retry-After").orElse("");
    long ms = told.matches("\\d{1,6}") ? Long.parseLong(told) * 1_000 : usualMs;
    return Math.min(LONGEST_PAUSE_MS, ms);
  }

  private static long rejected(String body) {
    try {
      JsonNode answer = JSON.readTree(body);
      return answer == null ? 0 : answer.at("/partialSuccess/rejectedSpans").asLong(0);
    } catch (JsonProcessingException e) {
      return 0; // it took them, and said so in another format
    }
  }
}
