package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

/// A server of language models whose models `s01` to `s16` each have their own fault, after a
/// published catalogue of what goes wrong upstream. `fb-ok` has none; `fb-noprefill` refuses
/// messages that end with a piece of an answer.
final class FaultyServer implements AutoCloseable {
  static final int WORDS = 60;
  private static final int CUT = 40;
  private static final int STALL = 20;
  private static final int BAD = 10;
  private static final int NOWHERE = -1;

  /// Longest time that a silent fault holds its connection, if nobody hangs up.
  private static final int SILENCE_MS = 20_000;

  private final ServerSocket listening;
  private final ConcurrentHashMap<String, AtomicInteger> asked = new ConcurrentHashMap<>();
  private final List<Socket> open = new CopyOnWriteArrayList<>();

  /// Models whose request ended with an assistant's message.
  final List<String> prefilled = new CopyOnWriteArrayList<>();

  /// How many requests of s15 fail before it recovers.
  static final int OUTAGE = 2;

  FaultyServer() throws IOException {
    listening = new ServerSocket(0, 64, InetAddress.getByName("127.0.0.1"));
    Thread.ofVirtual().start(this::accept);
  }

  URI url() {
    return URI.create("http://127.0.0.1:" + listening.getLocalPort() + "/v1");
  }

  int asked(String model) {
    AtomicInteger n = asked.get(model);
    return n == null ? 0 : n.get();
  }

  static String text() {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < WORDS; i++) {
      out.append('w').append(i).append(' ');
    }
    return out.toString();
  }

  private void accept() {
    try {
      while (true) {
        Socket socket = listening.accept();
        open.add(socket);
        Thread.ofVirtual().start(() -> serve(socket));
      }
    } catch (IOException e) {
      // Closed.
    }
  }

  private void serve(Socket socket) {
    try (socket) {
      socket.setTcpNoDelay(true);
      InputStream in = new BufferedInputStream(socket.getInputStream());
      while (true) {
        String head = Client.until(in, "\r\n\r\n");
        if (head.isEmpty()) {
          return;
        }
        int length = 0;
        for (String line : head.split("\r\n")) {
          if (line.toLowerCase(Locale.ROOT).startsWith("content-length:")) {
            length = Integer.parseInt(line.substring(15).strip());
          }
        }
        byte[] body = in.readNBytes(length);
        if (head.startsWith("GET")) {
          error(socket, 404, "not_found", "");
        } else {
          answer(socket, Json.MAPPER.readTree(body));
        }
      }
    } catch (IOException | UncheckedIOException e) {
      // Hung up.
    }
  }

  private void answer(Socket socket, JsonNode request) throws IOException {
    String model = request.path("model").asText();
    int n = asked.computeIfAbsent(model, m -> new AtomicInteger()).incrementAndGet();
    JsonNode messages = request.path("messages");
    boolean prefill = messages.path(messages.size() - 1).path("role").asText().equals("assistant");
    if (prefill) {
      prefilled.add(model);
    }
    switch (model) {
      case "s01" -> {
        if (n == 1) {
          error(socket, 429, "rate_limit_exceeded", "retry-after: 2\r\n");
        } else {
          stream(socket, model, NOWHERE, NOWHERE, NOWHERE, true);
        }
      }
      case "s02" -> error(socket, 429, "rate_limit_exceeded", "");
      case "s03" -> {
        if (n == 1) {
          error(socket, 500, "server_error", "");
        } else {
          stream(socket, model, NOWHERE, NOWHERE, NOWHERE, true);
        }
      }
      case "s04", "s16" -> error(socket, 503, "overloaded", "");
      case "s05" -> {
        if (n == 1) {
          socket.setSoLinger(true, 0);
          socket.close();
        } else {
          stream(socket, model, NOWHERE, NOWHERE, NOWHERE, true);
        }
      }
      case "s06", "s07" -> {
        silence(socket);
        stream(socket, model, NOWHERE, NOWHERE, NOWHERE, true);
      }
      case "s08", "s14" -> stream(socket, model, CUT, NOWHERE, NOWHERE, true);
      case "s09" -> stream(socket, model, NOWHERE, STALL, NOWHERE, true);
      case "s10" -> stream(socket, model, NOWHERE, NOWHERE, BAD, true);
      case "s11" -> stream(socket, model, NOWHERE, NOWHERE, NOWHERE, false);
      case "s12" -> error(socket, 400, "context_length_exceeded", "");
      case "s13" -> error(socket, 400, "content_policy_violation", "");
      case "s15" -> {
        if (n <= OUTAGE) {
          error(socket, 503, "overloaded", "");
        } else {
          stream(socket, model, NOWHERE, NOWHERE, NOWHERE, true);
        }
      }
      case "empty" -> {
        write(socket, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n");
        socket.close();
      }
      default -> {
        if (model.equals("fb-noprefill") && prefill) {
          error(socket, 400, "prefill_not_supported", "");
        } else {
          stream(socket, model, NOWHERE, NOWHERE, NOWHERE, true);
        }
      }
    }
  }

  /// Until the other side hangs up.
  private static void silence(Socket socket) throws IOException {
    socket.setSoTimeout(SILENCE_MS);
    if (socket.getInputStream().read() < 0) {
      throw new IOException("hung up");
    }
  }

  private static void error(Socket socket, int status, String code, String header)
      throws IOException {
    String type =
        status == 429
            ? "rate_limit_error"
            : status < 500 ? "invalid_request_error" : "server_error";
    String body =
        "{\"error\":{\"message\":\""
            + code
            + "\",\"type\":\""
            + type
            + "\",\"param\":null,\"code\":\""
            + code
            + "\"}}";
    write(
        socket,
        "HTTP/1.1 "
            + status
            + " No\r\ncontent-type: application/json\r\n"
            + header
            + "content-length: "
            + body.length()
            + "\r\n\r\n"
            + body);
  }

  private static void stream(Socket socket, String model, int cut, int stall, int bad, boolean end)
      throws IOException {
    write(
        socket,
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
    event(socket, chunk(model, "{\"role\":\"assistant\",\"content\":\"\"}", "null"));
    for (int i = 0; i < WORDS; i++) {
      if (i == cut) {
        socket.close();
        return;
      }
      if (i == stall) {
        silence(socket);
      }
      if (i == bad) {
        event(socket, "{\"id\":\"c1\",\"choices\":[{\"delta\":{\"con");
      }
      event(socket, chunk(model, "{\"content\":\"w" + i + " \"}", "null"));
    }
    event(socket, chunk(model, "{}", "\"stop\""));
    event(
        socket,
        "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\""
            + model
            + "\",\"choices\":[],\"usage\":{\"prompt_tokens\":21,\"completion_tokens\":60,\"total_tokens\":81}}");
    if (end) {
      event(socket, "[DONE]");
    }
    write(socket, "0\r\n\r\n");
  }

  private static String chunk(String model, String delta, String finish) {
    return "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\""
        + model
        + "\",\"choices\":[{\"index\":0,\"delta\":"
        + delta
        + ",\"finish_reason\":"
        + finish
        + "}]}";
  }

  private static void event(Socket socket, String data) throws IOException {
    String event = "data: " + data + "\n\n";
    write(socket, Integer.toHexString(event.length()) + "\r\n" + event + "\r\n");
  }

  private static void write(Socket socket, String text) throws IOException {
    OutputStream out = socket.getOutputStream();
    out.write(text.getBytes(StandardCharsets.UTF_8));
    out.flush();
  }

  @Override
  public void close() throws IOException {
    listening.close();
    for (Socket socket : open) {
      socket.close();
    }
  }
}
