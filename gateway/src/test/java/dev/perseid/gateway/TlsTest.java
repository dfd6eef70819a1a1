package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.ModelTask;
import io.netty.handler.ssl.SslContextBuilder;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TlsTest {
  @TempDir Path folder;

  @Test
  void beyondLoopbackRequestsAreAnsweredOverTls() throws Exception {
    Path file = folder.resolve("key.p12");
    Process keytool =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                "gateway",
                "-keyalg",
                "EC",
                "-dname",
                "CN=localhost",
                "-ext",
                "san=ip:127.0.0.1,dns:localhost",
                "-validity",
                "2",
                "-storetype",
                "PKCS12",
                "-storepass",
                "not secret",
                "-keystore",
                file.toString())
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("keytool.txt").toFile())
            .start();
    assertThat(keytool.waitFor(60, TimeUnit.SECONDS)).isTrue();
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(file)) {
      store.load(in, "not secret".toCharArray());
    }
    KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
    keys.init(store, "not secret".toCharArray());
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    ScriptedMarket market =
        new ScriptedMarket()
            .serve(
                "m",
                ModelTask.CHAT,
                ScriptedMarket.answers(
                    OpenAiDialectTest.BILL,
                    OpenAiDialectTest.chunk("a", ""),
                    OpenAiDialectTest.chunk("", "stop")));
    GatewayConfig config =
        GatewayConfig.loopback()
            .at("127.0.0.1", 0, Optional.of(SslContextBuilder.forServer(keys).build()));
    try (Gateway gateway = Gateway.start(config, market);
        HttpClient http = HttpClient.newBuilder().sslContext(context).build()) {
      assertThat(gateway.url()).startsWith("https://");
      HttpRequest.Builder request =
          HttpRequest.newBuilder(URI.create(gateway.url() + "/v1/chat/completions"))
              .header("authorization", "Bearer sk-test");
      String body = OpenAiDialectTest.ASKED + ",\"stream\":true}";
      HttpResponse<String> r =
          http.send(
              request.POST(HttpRequest.BodyPublishers.ofString(body)).build(),
              HttpResponse.BodyHandlers.ofString());
      assertThat(r.statusCode()).isEqualTo(200);
      assertThat(Client.events(r.body())).hasSize(3).endsWith("[DONE]");
      HttpResponse<String> wrong =
          http.send(
              request.POST(HttpRequest.BodyPublishers.ofString("{")).build(),
              HttpResponse.BodyHandlers.ofString());
      assertThat(wrong.statusCode()).isEqualTo(400);
    }
  }
}
