package dev.perseid.gateway;

import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// A client of a gateway in tests: the JDK's, and bare sockets for what no client would send.
final class Client {
  private static final HttpClient HTTP =
      HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();

  private Client() {}

  static HttpRequest.Builder to(Gateway gateway, String path) {
    return HttpRequest.newBuilder(URI.create(gateway.url() + path))
        .timeout(Duration.ofSeconds(30))
        .header("authorization", "Bearer sk-test")
        .header("content-type", "application/json");
  }

  static HttpResponse<String> send(HttpRequest request) throws Exception {
    return HTTP.send(request, HttpResponse.BodyHandlers.ofString());
  }

  static HttpResponse<String> post(Gateway gateway, String path, String body) throws Exception {
    return send(to(gateway, path).POST(HttpRequest.BodyPublishers.ofString(body)).build());
  }

  static HttpResponse<String> get(Gateway gateway, String path) throws Exception {
    return send(to(gateway, path).GET().build());
  }

  /// The JSON of all events of a stream, `[DONE]` as it is.
  static List<String> events(String body) {
    List<String> out = new ArrayList<>();
    for (String event : body.split("\n\n")) {
      int data = event.startsWith("event: ") ? event.indexOf('\n') + 1 : 0;
      if (event.startsWith("data: ", data)) {
        out.add(event.substring(data + 6));
      }
    }
    return out;
  }

  static Socket open(Gateway gateway) throws IOException {
    Socket socket = new Socket("127.0.0.1", gateway.port());
    socket.setSoTimeout(20_000);
    return socket;
  }

  static void write(Socket socket, String text) throws IOException {
    socket.getOutputStream().write(text.getBytes(StandardCharsets.UTF_8));
    socket.getOutputStream().flush();
  }

  /// A request in HTTP/1.1 with a key and a body.
  static String request(String path, String body) {
    return "POST "
        + path
        + " HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer sk-test\r\ncontent-length: "
        + body.getBytes(StandardCharsets.UTF_8).length
        + "\r\n\r\n"
        + body;
  }

  /// Reads until a text has come, or the end.
  static String until(InputStream in, String text) throws IOException {
    StringBuilder out = new StringBuilder();
    while (out.indexOf(text) < 0) {
      int b = in.read();
      if (b < 0) {
        break;
      }
      out.append((char) b);
    }
    return out.toString();
  }

  /// All that a socket gives until its end; a reset counts as the end.
  static String all(Socket socket) throws IOException {
    StringBuilder out = new StringBuilder();
    byte[] buffer = new byte[8192];
    try {
      for (int n = socket.getInputStream().read(buffer);
          n >= 0;
          n = socket.getInputStream().read(buffer)) {
        out.append(new String(buffer, 0, n, StandardCharsets.ISO_8859_1));
      }
    } catch (SocketException e) {
      // A reset.
    }
    return out.toString();
  }
}
