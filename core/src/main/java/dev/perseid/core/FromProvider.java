package dev.perseid.core;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// What a provider says on its stream, in core's words.
public sealed interface FromProvider {
  /// The first message: who I am, on which terms, and which leases I still hold (running, or ended
  /// with a result that the pool has not yet called durable).
  ///
  /// @param platform for which I run native tasks; empty if I run none
  /// @param operator whose I am, if that is known
  /// @param gPerKwh what a kilowatt hour emits where I stand, grams of carbon dioxide, if that is
  ///   known
  record Hello(
      Offer offer,
      String signature,
      List<Long> held,
      Optional<Platform> platform,
      Optional<Operated> operator,
      OptionalInt gPerKwh)
      implements FromProvider {
    /// Of a provider of portable tasks alone, of nobody knows whom.
    public Hello(Offer offer, String signature, List<Long> held) {
      this(offer, signature, held, Optional.empty(), Optional.empty(), OptionalInt.empty());
    }
  }

  /// I am alive.
  record Heartbeat() implements FromProvider {}

  /// Ended attempts, under one signature.
  ///
  /// @param root RFC 6962 Merkle root over the reports' digests in order
  /// @param signature over EIP-712 `RecordBatch(address pool, bytes32 root, uint64 count)`, 65
  ///   bytes as hexadecimal digits
  record Reports(List<Report> reports, Hash root, String signature) implements FromProvider {}

  /// Leases that I have not started and will not start.
  record ReturnLeases(List<Long> leases) implements FromProvider {}

  /// What I did of a probe.
  record Probed(ProbeAnswer answer) implements FromProvider {}

  /// Give me nothing new; I end what I run and leave.
  record Drain() implements FromProvider {}

  /// I leave now.
  record Goodbye(String reason) implements FromProvider {}
}
