package dev.perseid.core;

/// An offer that the pool remembers: in force, or named by an open lease, or simply recent.
final class OfferRow {
  final Offer offer;
  final Hash hash;
  final String signature;

  /// Open leases under it, plus one while it is a provider's newest.
  int uses;

  OfferRow(Offer offer, Hash hash, String signature) {
    this.offer = offer;
    this.hash = hash;
    this.signature = signature;
  }
}
