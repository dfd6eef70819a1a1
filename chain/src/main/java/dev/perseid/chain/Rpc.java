package dev.perseid.chain;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;

/// A node that speaks JSON-RPC 2.0 over HTTP. Answers are limited in size and time and must carry
/// the question's id; a question that got none is asked again. Safe for any thread.
final class Rpc implements AutoCloseable {
  /// A question.
  record Question(String method, List<JsonNode> parameters) {
    static Question of(String method, JsonNode... parameters) {
      return new Question(method, List.of(parameters));
    }
  }

  /// What a node says to one question.
  sealed interface Answer {
    record Result(JsonNode value) implements Answer {}

    /// @param data what a reverting contract said, as the node wrote it; else missing
    record Fault(long code, String message, JsonNode data) implements Answer {}
  }

  private static final ObjectMapper JSON =
      new ObjectMapper(
          JsonFactory.builder()
              .streamReadConstraints(
                  StreamReadConstraints.builder()
                      .maxStringLength(Limits.ANSWER_BYTES)
                      .maxNestingDepth(64)
                      .build())
              .build());

  private final URI url;
  private final HttpClient http;
  private final long answerMs;
  private final AtomicLong nextId = new AtomicLong(1);

  private Rpc(URI url, HttpClient http, long answerMs) {
    this.url = url;
    this.http = http;
    this.answerMs = answerMs;
  }

  /// A node at an address. Without TLS only on this machine: who can change answers on the way
  /// decides what we believe of the chain.
  static Rpc at(URI url, long answerMs) throws ChainException {
    String scheme = String.valueOf(url.getScheme());
    String host = url.getHost();
    if (host == null || (!scheme.equals("http") && !scheme.equals("https"))) {
      throw ChainException.input(
          Hex.shown(named(url))
              + " is no RPC address: write http://127.0.0.1:PORT or https://HOST");
    }
    if (scheme.equals("http") && !loopback(host)) {
      throw ChainException.input(
          "the RPC address "
              + named(url)
              + " has no TLS: write https://, or tunnel it to 127.0.0.1");
    }
    HttpClient http =
        HttpClient.newBuilder()
            .connectTimeout(Duration.ofMillis(Limits.CONNECT_MS))
            .followRedirects(HttpClient.Redirect.NEVER)
            .build();
    return new Rpc(url, http, answerMs);
  }

  private static boolean loopback(String host) {
    if (host.equals("localhost")) {
      return true;
    }
    if (!host.matches("[0-9.]+|\\[[0-9a-fA-F:]+]")) {
      return false;
    }
    try {
      return InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException e) {
      return false;
    }
  }

  /// The address without what may be a secret in it: user, path and query.
  private static String named(URI url) {
    return url.getHost() == null
        ? url.toString()
        : url.getScheme() + "://" + url.getHost() + (url.getPort() < 0 ? "" : ":" + url.getPort());
  }

  /// Where it is, for messages; keys that stand in paths of addresses are not shown.
  String name() {
    return named(url);
  }

  /// Asks one question.
  JsonNode ask(String method, JsonNode... parameters) throws ChainException {
    return result(
        method, tell(List.of(new Question(method, Arrays.asList(parameters)))).getFirst());
  }

  /// The result, or what the node said instead.
  JsonNode result(String method, Answer answer) throws ChainException {
    return switch (answer) {
      case Answer.Result(JsonNode value) -> value;
      case Answer.Fault fault -> throw fault(method, fault);
    };
  }

  /// A node's no, as a failure.
  ChainException fault(String method, Answer.Fault fault) {
    return new ChainException(
        ChainException.Kind.REFUSED,
        "the node at "
            + name()
            + " refused "
            + method
            + ": "
            + Hex.shown(fault.message())
            + " (code "
            + fault.code()
            + ")");
  }

  /// Asks several questions at once; the answers are in their order.
  List<Answer> tell(List<Question> questions) throws ChainException {
    long pauseMs = Limits.PAUSE_MS;
    for (int attempt = 1; ; attempt++) {
      try {
        return once(questions);
      } catch (ChainException e) {
        if (e.kind() != ChainException.Kind.UNREACHABLE
            || attempt == Limits.TRIES
            || Thread.currentThread().isInterrupted()) {
          throw e;
        }
      }
      pause(pauseMs);
      pauseMs *= 2;
    }
  }

  private void pause(long ms) throws ChainException {
    try {
      TimeUnit.MILLISECONDS.sleep(ms);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw down("was not asked again: this program is stopping");
    }
  }

  private List<Answer> once(List<Question> questions) throws ChainException {
    long first = nextId.getAndAdd(questions.size());
    ArrayNode batch = JsonNodeFactory.instance.arrayNode();
    for (int i = 0; i < questions.size(); i++) {
      ObjectNode one = batch.addObject();
      one.put("jsonrpc", "2.0").put("id", first + i).put("method", questions.get(i).method());
      one.putArray("params").addAll(questions.get(i).parameters());
    }
    byte[] asked;
    try {
      asked = JSON.writeValueAsBytes(questions.size() == 1 ? batch.get(0) : batch);
    } catch (JacksonException e) {
      throw new AssertionError("a tree can be written", e);
    }
    JsonNode answered = parse(post(asked));
    List<JsonNode> found = new ArrayList<>();
    if (questions.size() == 1) {
      found.add(answered);
    } else if (answered.isArray() && answered.size() == questions.size()) {
      // In any order, says the protocol.
      JsonNode[] ordered = new JsonNode[questions.size()];
      for (JsonNode one : answered) {
        long place = one.path("id").asLong(-1) - first;
        if (place < 0 || place >= ordered.length || ordered[(int) place] != null) {
          throw impossible("answers other questions than were asked");
        }
        ordered[(int) place] = one;
      }
      found.addAll(Arrays.asList(ordered));
    } else {
      throw impossible("answers several questions with " + shape(answered));
    }
    List<Answer> all = new ArrayList<>();
    for (int i = 0; i < found.size(); i++) {
      all.add(answer(found.get(i), first + i));
    }
    return all;
  }

  private Answer answer(JsonNode one, long id) throws ChainException {
    if (!one.isObject() || !one.path("jsonrpc").asText().equals("2.0")) {
      throw impossible("does not speak JSON-RPC 2.0: it sent " + shape(one));
    }
    JsonNode error = one.path("error");
    if (error.isObject() && one.path("id").isNull()) {
      return fault(error); // it could not read the question
    }
    if (!one.path("id").isIntegralNumber() || one.path("id").asLong() != id) {
      throw impossible("answers another question than was asked");
    }
    if (error.isObject()) {
      return fault(error);
    }
    if (!one.has("result")) {
      throw impossible("sent neither a result nor an error");
    }
    return new Answer.Result(one.get("result"));
  }

  private static Answer fault(JsonNode error) {
    return new Answer.Fault(
        error.path("code").asLong(), error.path("message").asText(), error.path("data"));
  }

  private static String shape(JsonNode node) {
    return node.isContainerNode()
        ? node.isArray() ? "a list of " + node.size() : "an object"
        : Hex.shown(node.asText());
  }

  private byte[] post(byte[] body) throws ChainException {
    HttpRequest request =
        HttpRequest.newBuilder(url)
            .timeout(Duration.ofMillis(answerMs))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofByteArray(body))
            .build();
    CompletableFuture<HttpResponse<byte[]>> coming =
        http.sendAsync(
            request,
            HttpResponse.BodyHandlers.limiting(
                HttpResponse.BodyHandlers.ofByteArray(), Limits.ANSWER_BYTES));
    HttpResponse<byte[]> response;
    try {
      // The request's own deadline ends with the headers; this one holds for the body too.
      response = coming.get(answerMs, TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      coming.cancel(true);
      throw down("did not answer within " + answerMs + " ms");
    } catch (InterruptedException e) {
      coming.cancel(true);
      Thread.currentThread().interrupt();
      throw down("was not heard: this program is stopping");
    } catch (ExecutionException | CancellationException e) {
      Throwable cause = e.getCause() == null ? e : e.getCause();
      if (cause instanceof IOException io
          && String.valueOf(io.getMessage()).contains("exceeds capacity")) {
        throw new ChainException(
            ChainException.Kind.REFUSED,
            "the node at " + name() + " sent more than " + Limits.ANSWER_BYTES + " bytes");
      }
      throw down("cannot be reached: " + describe(cause));
    }
    int status = response.statusCode();
    if (status == 429 || status >= 500) {
      throw down("answered with HTTP status " + status);
    }
    // Some nodes send errors of JSON-RPC with status 400.
    if (status != 200 && status != 400) {
      throw new ChainException(
          ChainException.Kind.REFUSED,
          "the node at "
              + name()
              + " answered with HTTP status "
              + status
              + (status == 401 || status == 403 ? ": the address needs a key" : ""));
    }
    return response.body();
  }

  private JsonNode parse(byte[] body) throws ChainException {
    try {
      JsonNode node = JSON.readTree(body);
      if (node != null) {
        return node;
      }
    } catch (IOException e) {
      // said below
    }
    throw impossible("sent something that is not JSON: is it a chain's RPC address?");
  }

  private static String describe(Throwable cause) {
    String message = cause.getMessage();
    return message == null || message.isEmpty()
        ? cause.getClass().getSimpleName()
        : Hex.shown(message);
  }

  private ChainException down(String how) {
    return new ChainException(ChainException.Kind.UNREACHABLE, "the node at " + name() + " " + how);
  }

  private ChainException impossible(String how) {
    return ChainException.untrusted("the node at " + name() + " " + how);
  }

  @Override
  public void close() {
    http.shutdownNow();
  }
}
