package dev.perseid.chain;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/// A node between us and a real one, which stalls, lies or is down as a test says.
final class FaultyNode implements AutoCloseable {
  /// What it does with one request.
  sealed interface Fault {
    /// Passes both on.
    record None() implements Fault {}

    /// The request is lost.
    record LoseRequest() implements Fault {}

    /// The request arrives, the answer is lost.
    record LoseAnswer() implements Fault {}

    /// The request arrives, the answer never comes.
    record Stall() implements Fault {}

    /// It says that something is wrong with it.
    record Status(int code) implements Fault {}

    /// It sends this instead of the answer.
    record Garbage(byte[] body) implements Fault {}
  }

  /// Decides about one request.
  interface Mood {
    Fault meet(JsonNode request);
  }

  /// Changes an answer.
  interface Lie {
    void tell(String method, JsonNode request, ObjectNode answer);
  }

  private static final ObjectMapper JSON = new ObjectMapper();

  private final URI behind;
  private final HttpServer server;
  private final HttpClient client = HttpClient.newHttpClient();
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final CountDownLatch end = new CountDownLatch(1);
  final AtomicInteger asked = new AtomicInteger();
  volatile Mood mood = request -> new Fault.None();
  volatile Lie lie = (method, request, answer) -> {};

  FaultyNode(URI behind) throws IOException {
    this.behind = behind;
    this.server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(threads);
    server.createContext("/", this::handle);
    server.start();
  }

  URI url() {
    return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
  }

  private void handle(HttpExchange exchange) throws IOException {
    try (exchange) {
      byte[] body = exchange.getRequestBody().readAllBytes();
      asked.incrementAndGet();
      JsonNode request = JSON.readTree(body);
      switch (mood.meet(request)) {
        case Fault.None() -> {
          JsonNode answer = JSON.readTree(pass(body));
          if (answer instanceof ObjectNode one) {
            lie.tell(request.path("method").asText(), request, one);
          } else {
            for (int i = 0; i < answer.size(); i++) {
              lie.tell(
                  request.get(i).path("method").asText(),
                  request.get(i),
                  (ObjectNode) answer.get(i));
            }
          }
          send(exchange, 200, JSON.writeValueAsBytes(answer));
        }
        case Fault.LoseRequest() -> {} // closed without an answer
        case Fault.LoseAnswer() -> pass(body);
        case Fault.Stall() -> {
          pass(body);
          end.await();
        }
        case Fault.Status(int code) -> send(exchange, code, new byte[0]);
        case Fault.Garbage(byte[] garbage) -> send(exchange, 200, garbage);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private byte[] pass(byte[] body) throws IOException, InterruptedException {
    return client
        .send(
            HttpRequest.newBuilder(behind)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofByteArray(body))
                .build(),
            HttpResponse.BodyHandlers.ofByteArray())
        .body();
  }

  private static void send(HttpExchange exchange, int code, byte[] body) throws IOException {
    exchange.sendResponseHeaders(code, body.length == 0 ? -1 : body.length);
    exchange.getResponseBody().write(body);
  }

  @Override
  public void close() {
    end.countDown();
    server.stop(0);
    threads.shutdownNow();
    client.shutdownNow();
  }
}
