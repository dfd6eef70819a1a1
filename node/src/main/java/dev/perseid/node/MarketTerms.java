package dev.perseid.node;

import dev.perseid.core.Limits;
import java.util.Optional;
import java.util.Set;

/// How a pool is a market for inference.
///
/// @param gateway where its gateway listens, if it has one
/// @param poolPermille the pool's share of each charge for inference, in thousandths
/// @param direct `host:port` of providers' own servers that this pool may call itself; all others
///   are reached through their providers only, since a pool that called what anybody names could be
///   made to call into its operator's own network
/// @param audits how much it audits
/// @param payments how it takes payments that come with requests
public record MarketTerms(
    Optional<GatewayAt> gateway,
    int poolPermille,
    Set<String> direct,
    AuditTerms audits,
    PaymentTerms payments) {
  /// No gateway, no share, no direct calls.
  public static final MarketTerms NONE = new MarketTerms(Optional.empty(), 0, Set.of());

  /// With the usual payments.
  public MarketTerms(
      Optional<GatewayAt> gateway, int poolPermille, Set<String> direct, AuditTerms audits) {
    this(gateway, poolPermille, direct, audits, PaymentTerms.USUAL);
  }

  /// With the usual audits and payments.
  public MarketTerms(Optional<GatewayAt> gateway, int poolPermille, Set<String> direct) {
    this(gateway, poolPermille, direct, AuditTerms.USUAL, PaymentTerms.USUAL);
  }

  /// Where a gateway listens.
  ///
  /// @param host anything but loopback gets TLS
  /// @param port the port, or 0 for a free one
  public record GatewayAt(String host, int port) {}

  /// @throws IllegalArgumentException with what is wrong and what to write instead
  public MarketTerms {
    direct = Set.copyOf(direct);
    if (poolPermille < 0 || poolPermille > Limits.POOL_PERMILLE) {
      throw new IllegalArgumentException(
          "a share of " + poolPermille + " thousandths: write 0 to " + Limits.POOL_PERMILLE);
    }
    for (String server : direct) {
      if (!server.matches("[^/\\s]+:[0-9]{1,5}")) {
        throw new IllegalArgumentException("'" + server + "' is no server: write host:port");
      }
    }
  }

  /// The same with a gateway.
  public MarketTerms withGateway(String host, int port) {
    return new MarketTerms(
        Optional.of(new GatewayAt(host, port)), poolPermille, direct, audits, payments);
  }

  /// The same with other audits.
  public MarketTerms withAudits(AuditTerms newAudits) {
    return new MarketTerms(gateway, poolPermille, direct, newAudits, payments);
  }

  /// The same with other payments.
  public MarketTerms withPayments(PaymentTerms newPayments) {
    return new MarketTerms(gateway, poolPermille, direct, audits, newPayments);
  }
}
