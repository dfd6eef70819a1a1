package dev.perseid.node;

import dev.perseid.core.ModelOffer;
import dev.perseid.inference.Backend;
import java.net.URI;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;

/// Providers' own servers that the pool calls itself, as far as its operator allowed it: a pool
/// that called what anybody names could be made to call into its operator's own network.
final class DirectServers implements PoolMarket.DirectCall {
  private final Set<String> allowed;
  private final BiFunction<URI, ModelOffer, Backend> opener;

  /// @param allowed `host:port`, as endpoints write it
  /// @param opener opens a server that is allowed
  DirectServers(Set<String> allowed, BiFunction<URI, ModelOffer, Backend> opener) {
    this.allowed = allowed;
    this.opener = opener;
  }

  @Override
  public Optional<Backend> open(ModelOffer offer) {
    URI at;
    try {
      at = URI.create(offer.endpoint());
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
    if (at.getHost() == null || at.getRawUserInfo() != null) {
      return Optional.empty();
    }
    int port = at.getPort() >= 0 ? at.getPort() : "https".equals(at.getScheme()) ? 443 : 80;
    return allowed.contains(at.getHost().toLowerCase(Locale.ROOT) + ":" + port)
        ? Optional.of(opener.apply(at, offer))
        : Optional.empty();
  }
}
