package dev.perseid.inference;

import io.netty.channel.Channel;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/// The other server: where it stands, how it proves who it is, and what each request to it begins
/// with.
final class HttpPeer {
  private final HttpSettings settings;
  private final @Nullable SslContext tls;
  private final Runnable refused;
  private volatile InetSocketAddress address;

  /// @param refused run when nobody listens at its address
  /// @throws IllegalArgumentException if the certificates to trust cannot be read
  HttpPeer(HttpSettings settings, Runnable refused) {
    this.settings = settings;
    this.refused = refused;
    this.address = find();
    if (settings.tls()) {
      try {
        SslContextBuilder builder = SslContextBuilder.forClient().sslProvider(SslProvider.JDK);
        settings.trust().ifPresent(pem -> builder.trustManager(pem.toFile()));
        tls = builder.build();
      } catch (SSLException | IllegalArgumentException e) {
        throw new IllegalArgumentException(
            "the certificates in " + settings.trust().orElseThrow() + " cannot be read", e);
      }
    } else {
      tls = null;
    }
  }

  private InetSocketAddress find() {
    String host = settings.base().getHost();
    // A literal IPv6 address stands in brackets in a URL.
    String bare = host.startsWith("[") ? host.substring(1, host.length() - 1) : host;
    return new InetSocketAddress(bare, settings.port());
  }

  /// Asks again where it stands. Blocks.
  void findAgain() {
    InetSocketAddress found = find();
    if (!found.isUnresolved()) {
      address = found;
    }
  }

  HttpSettings settings() {
    return settings;
  }

  InetSocketAddress address() {
    return address;
  }

  void unreachable(boolean refusedIt) {
    if (refusedIt) {
      refused.run();
    }
  }

  /// Adds TLS to a connection, if the address says so.
  void secure(Channel channel) {
    if (tls != null) {
      channel
          .pipeline()
          .addLast(tls.newHandler(channel.alloc(), settings.base().getHost(), settings.port()));
    }
  }

  /// The head of a request, up to and without the length of its body and the empty line.
  byte[] head(String method, String path, String accept) {
    boolean usual = settings.port() == (settings.tls() ? 443 : 80);
    String host = settings.base().getHost() + (usual ? "" : ":" + settings.port());
    StringBuilder head = new StringBuilder(256);
    head.append(method).append(' ').append(path).append(" HTTP/1.1\r\nhost: ").append(host);
    head.append("\r\naccept: ").append(accept).append("\r\nuser-agent: perseid\r\n");
    settings.key().ifPresent(k -> head.append("authorization: Bearer ").append(k).append("\r\n"));
    if (method.equals("POST")) {
      head.append("content-type: application/json\r\ncontent-length: ");
    }
    return head.toString().getBytes(StandardCharsets.ISO_8859_1);
  }
}
