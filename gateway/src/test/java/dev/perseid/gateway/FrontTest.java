package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.ModelTask;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What clients send that is wrong, hostile or rare, over bare sockets.
class FrontTest {
  private static final String PATH = "/v1/chat/completions";
  private static final String BODY = OpenAiDialectTest.ASKED + "}";
  private static final String HEAD =
      "POST " + PATH + " HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer sk-test\r\n";

  private final ScriptedMarket market = new ScriptedMarket();
  private Gateway gateway;

  @BeforeEach
  void start() throws Exception {
    market.serve(
        "m",
        ModelTask.CHAT,
        ScriptedMarket.answers(OpenAiDialectTest.BILL, OpenAiDialectTest.WHOLE));
    gateway = Gateway.start(GatewayConfig.loopback().sized(100_000, 50, 100, 100), market);
  }

  @AfterEach
  void stop() {
    gateway.close();
  }

  /// Sends text and reads all that comes until the gateway closes.
  private String exchange(String text) throws Exception {
    try (Socket socket = Client.open(gateway)) {
      Client.write(socket, text);
      return Client.all(socket);
    }
  }

  @Test
  void requestsThatAreSentAheadAreAnsweredInOrder() throws Exception {
    String unknown = Client.request(PATH, BODY.replace("\"m\"", "\"x\""));
    String last = Client.request(PATH, BODY).replace("\r\nhost", "\r\nconnection: close\r\nhost");
    String all = exchange(Client.request(PATH, BODY) + unknown + last);
    assertThat(all.split("HTTP/1.1 ")).hasSize(4);
    assertThat(all.split("HTTP/1.1 ")[1]).startsWith("200");
    assertThat(all.split("HTTP/1.1 ")[2]).startsWith("404");
    assertThat(all.split("HTTP/1.1 ")[3]).startsWith("200").contains("connection: close");
  }

  /// Whoever sends on and on and reads nothing fills the gateway's memory otherwise.
  @Test
  void whoDoesNotReadAnswersIsNotReadEither() throws Exception {
    int requests = 60_000;
    byte[] one =
        ("GET /nothing HTTP/1.1\r\nhost: 127.0.0.1\r\nx-padding: " + "x".repeat(1_000) + "\r\n\r\n")
            .getBytes(StandardCharsets.US_ASCII);
    long all = (long) one.length * requests;
    try (Selector selector = Selector.open();
        SocketChannel channel =
            SocketChannel.open(new InetSocketAddress("127.0.0.1", gateway.port()))) {
      channel.configureBlocking(false);
      SelectionKey key = channel.register(selector, SelectionKey.OP_WRITE);
      ByteBuffer out = ByteBuffer.allocate(0);
      long sent = 0;
      while (sent < all && selector.select(2_000) > 0) {
        selector.selectedKeys().clear();
        out = out.hasRemaining() ? out : ByteBuffer.wrap(one);
        sent += channel.write(out);
      }
      assertThat(sent).isLessThan(all);
      // Once it reads, all is answered.
      ByteBuffer in = ByteBuffer.allocate(1 << 20);
      byte[] mark = "HTTP/1.1 404".getBytes(StandardCharsets.US_ASCII);
      long answers = 0;
      int matched = 0;
      key.interestOps(SelectionKey.OP_WRITE | SelectionKey.OP_READ);
      while (answers < requests && selector.select(20_000) > 0) {
        selector.selectedKeys().clear();
        if (key.isWritable() && sent < all) {
          out = out.hasRemaining() ? out : ByteBuffer.wrap(one);
          sent += channel.write(out);
        }
        if (sent == all) {
          key.interestOps(SelectionKey.OP_READ);
        }
        if (key.isReadable()) {
          assertThat(channel.read(in.clear())).isPositive();
          in.flip();
          while (in.hasRemaining()) {
            byte b = in.get();
            matched = b == mark[matched] ? matched + 1 : b == mark[0] ? 1 : 0;
            if (matched == mark.length) {
              answers++;
              matched = 0;
            }
          }
        }
      }
      assertThat(answers).isEqualTo(requests);
    }
  }

  @Test
  void bodiesMayComeInChunks() throws Exception {
    String half = BODY.substring(0, 20);
    String rest = BODY.substring(20);
    String all =
        exchange(
            HEAD
                + "connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
                + Integer.toHexString(half.length())
                + "\r\n"
                + half
                + "\r\n"
                + Integer.toHexString(rest.length())
                + "\r\n"
                + rest
                + "\r\n0\r\n\r\n");
    assertThat(all).startsWith("HTTP/1.1 200");
    assertThat(market.asked.getFirst().body()).isEqualTo(BODY);
  }

  @Test
  void whoExpectsToBeToldGetsContinue() throws Exception {
    try (Socket socket = Client.open(gateway)) {
      Client.write(
          socket,
          HEAD
              + "connection: close\r\nexpect: 100-continue\r\ncontent-length: "
              + BODY.length()
              + "\r\n\r\n");
      assertThat(Client.until(socket.getInputStream(), "\r\n\r\n")).startsWith("HTTP/1.1 100");
      Client.write(socket, BODY);
      assertThat(Client.all(socket)).startsWith("HTTP/1.1 200");
    }
  }

  @Test
  void whoExpectsToBeToldButHasNoKeyNeedNotSend() throws Exception {
    assertThat(
            exchange(
                HEAD.replace("sk-test", "sk-wrong")
                    + "expect: 100-continue\r\ncontent-length: 90000\r\n\r\n"))
        .startsWith("HTTP/1.1 401")
        .contains("invalid_api_key");
  }

  @Test
  void offersToChangeTheProtocolAreIgnored() throws Exception {
    String all =
        exchange(
            Client.request(PATH, BODY)
                .replace(
                    "\r\nhost",
                    "\r\nconnection: close, Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAAB\r\nhost"));
    assertThat(all).startsWith("HTTP/1.1 200");
  }

  @Test
  void oldClientsAreAnsweredWithoutChunks() throws Exception {
    market.serve(
        "s",
        ModelTask.CHAT,
        ScriptedMarket.answers(
            OpenAiDialectTest.BILL,
            OpenAiDialectTest.chunk("a", ""),
            OpenAiDialectTest.chunk("", "stop")));
    String body = BODY.replace("\"m\"", "\"s\"").replace("]}", "],\"stream\":true}");
    String all = exchange(Client.request(PATH, body).replace("HTTP/1.1", "HTTP/1.0"));
    assertThat(all).doesNotContain("transfer-encoding").endsWith("data: [DONE]\n\n");
  }

  @Test
  void aRequestWithTwoLengthsIsRefused() throws Exception {
    assertThat(exchange(HEAD + "content-length: 5\r\ncontent-length: 6\r\n\r\nhello!"))
        .startsWith("HTTP/1.1 400")
        .contains("connection: close");
    assertThat(market.asked).isEmpty();
  }

  @Test
  void aRequestWithALengthAndChunksIsRefused() throws Exception {
    String smuggled = Client.request(PATH, BODY);
    String all =
        exchange(
            HEAD
                + "content-length: "
                + smuggled.length()
                + "\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
                + smuggled);
    assertThat(all).startsWith("HTTP/1.1 400").contains("connection: close");
    assertThat(all.split("HTTP/1.1 [0-9]")).hasSize(2);
    assertThat(market.asked).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "content-length: +5\r\n\r\nhello",
        "content-length: -1\r\n\r\n",
        "content-length: 5, 5\r\n\r\nhello",
        "bad header\r\n\r\n",
        "host: 127.0.0.1\r\ncontent-length: 0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\nzz\r\n",
      })
  void framingThatTwoReadersCouldReadInTwoWaysIsRefused(String rest) throws Exception {
    String all = exchange(HEAD + rest);
    assertThat(all).startsWith("HTTP/1.1 400");
    assertThat(market.asked).isEmpty();
  }

  @Test
  void floodsOfHeadersAndLongLinesAreRefused() throws Exception {
    StringBuilder flood = new StringBuilder(HEAD);
    for (int i = 0; i < 2_000; i++) {
      flood.append("x-").append(i).append(": 0123456789\r\n");
    }
    assertThat(exchange(flood + "\r\n")).startsWith("HTTP/1.1 431");
    assertThat(exchange("GET /" + "a".repeat(20_000) + " HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"))
        .startsWith("HTTP/1.1 431");
  }

  @Test
  void bodiesThatAreTooLongAreRefusedInShape() throws Exception {
    String declared = exchange(HEAD + "content-length: 100001\r\n\r\n" + "x".repeat(1_000));
    assertThat(declared).startsWith("HTTP/1.1 413").contains("\"code\":\"request_too_large\"");
    StringBuilder chunks = new StringBuilder(HEAD + "transfer-encoding: chunked\r\n\r\n");
    for (int i = 0; i < 30; i++) {
      chunks.append("1000\r\n").append("x".repeat(0x1000)).append("\r\n");
    }
    assertThat(exchange(chunks.toString())).startsWith("HTTP/1.1 413");
  }

  @Test
  void aPromptOfTenMegabytesIsTaken() throws Exception {
    try (Gateway large = Gateway.start(GatewayConfig.loopback(), market)) {
      String body =
          "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\""
              + "a ".repeat((10 << 20) / 2 - 100)
              + "\"}]}";
      assertThat(body.length()).isBetween(10_000_000, 10 << 20);
      assertThat(Client.post(large, PATH, body).statusCode()).isEqualTo(200);
      HttpResponse<String> longer = Client.post(large, PATH, body + " ".repeat(200_000));
      assertThat(longer.statusCode()).isEqualTo(413);
    }
  }

  @Test
  void keysAreTakenWhereverProtocolsPutThem() throws Exception {
    for (String header :
        List.of("authorization: bearer sk-test", "x-api-key: sk-test", "api-key: sk-test")) {
      String all =
          exchange(
              Client.request(PATH, BODY)
                  .replace("authorization: Bearer sk-test", header + "\r\nconnection: close"));
      assertThat(all).as(header).startsWith("HTTP/1.1 200");
    }
    for (String header :
        List.of("x-none: 1", "authorization: Basic c2s6", "authorization: Bearer ")) {
      String all =
          exchange(
              Client.request(PATH, BODY)
                  .replace("authorization: Bearer sk-test", header + "\r\nconnection: close"));
      assertThat(all).as(header).startsWith("HTTP/1.1 401").contains("authentication_error");
    }
  }

  @Test
  void whoGuessesKeysIsStopped() throws Exception {
    for (int i = 0; i < GatewayLimits.WRONG_KEYS; i++) {
      HttpRequest wrong =
          Client.to(gateway, "/v1/models").setHeader("authorization", "Bearer guess" + i).build();
      assertThat(Client.send(wrong).statusCode()).isEqualTo(401);
      // A good key from the same address stays good.
      assertThat(Client.get(gateway, "/v1/models").statusCode()).isEqualTo(200);
    }
    HttpRequest wrong =
        Client.to(gateway, "/v1/models").setHeader("authorization", "Bearer more").build();
    HttpResponse<String> r = Client.send(wrong);
    assertThat(r.statusCode()).isEqualTo(429);
    assertThat(r.headers().firstValue("retry-after")).contains("60");
    assertThat(Client.get(gateway, "/v1/models").statusCode()).isEqualTo(200);
  }

  @Test
  void webPagesMayNotAskUnlessTheyAreAllowed() throws Exception {
    String origin =
        Client.request(PATH, BODY)
            .replace("\r\nhost", "\r\nconnection: close\r\norigin: https://evil.example\r\nhost");
    assertThat(exchange(origin)).startsWith("HTTP/1.1 403").doesNotContain("access-control");
    String rebound =
        Client.request(PATH, BODY)
            .replace("host: 127.0.0.1", "connection: close\r\nhost: evil.example:80");
    assertThat(exchange(rebound)).startsWith("HTTP/1.1 403").contains("host_not_allowed");
    assertThat(market.asked).isEmpty();
    GatewayConfig config =
        GatewayConfig.loopback().with(List.of("https://good.example"), List.of("box.lan"));
    try (Gateway open = Gateway.start(config, market);
        Socket socket = Client.open(open)) {
      Client.write(
          socket,
          "OPTIONS "
              + PATH
              + " HTTP/1.1\r\nhost: box.lan\r\norigin: https://good.example\r\naccess-control-request-method: POST\r\n"
              + "access-control-request-headers: authorization, content-type\r\n\r\n"
              + Client.request(PATH, BODY)
                  .replace(
                      "\r\nhost: 127.0.0.1",
                      "\r\nconnection: close\r\norigin: https://good.example\r\nhost: box.lan"));
      String all = Client.all(socket);
      assertThat(all)
          .startsWith("HTTP/1.1 204")
          .contains("access-control-allow-headers: authorization, content-type")
          .contains("HTTP/1.1 200");
      assertThat(all.split("access-control-allow-origin: https://good.example")).hasSize(3);
    }
  }

  @Test
  void beyondLoopbackThereIsTls() {
    assertThatThrownBy(() ->
            Gateway.start(GatewayConfig.loopback().at("0.0.0.0", 0, Optional.empty()), market))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("certificate");
  }

  @Test
  void aPortThatIsTakenIsNamed() {
    assertThatThrownBy(() ->
            Gateway.start(
                GatewayConfig.loopback().at("127.0.0.1", gateway.port(), Optional.empty()), market))
        .isInstanceOf(IOException.class)
        .hasMessageContaining(Integer.toString(gateway.port()));
  }

  @Test
  void moreConnectionsThanAllowedAreClosed() throws Exception {
    List<Socket> open = new ArrayList<>();
    try {
      for (int i = 0; i < 50; i++) {
        Socket socket = Client.open(gateway);
        open.add(socket);
        Client.write(socket, "GET /v2/health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
        assertThat(Client.until(socket.getInputStream(), "}")).startsWith("HTTP/1.1 200");
      }
      assertThat(exchange("GET /v2/health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")).isEmpty();
    } finally {
      for (Socket socket : open) {
        socket.close();
      }
    }
  }
}
