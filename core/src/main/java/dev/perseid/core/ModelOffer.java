package dev.perseid.core;

import java.util.Optional;

/// On which terms a provider serves a model. Signed by the provider (EIP-712) and named by its
/// digest in every record made under it; who gets which share of a charge is fixed here.
///
/// @param provider who serves
/// @param model hash of the model's manifest
/// @param region where it stands: at most 32 characters, may be empty
/// @param quantisation in which it is served
/// @param backend what runs it, for people and records: at most 64 characters
/// @param price what it asks
/// @param royaltyPermille the author's share of each charge; at least what the model asks
/// @param poolPermille the pool's share of each charge; at least what the pool asks
/// @param parallel requests that it answers at once, 1 to 65,536
/// @param contextTokens the longest prompt and answer together that it serves; 0 where that has no
///   meaning
/// @param policy what it does with the data
/// @param sealKey its X25519 public key, if it takes encrypted requests (RFC 9180)
/// @param endpoint where the pool may call its server itself instead of through its stream: an
///   `http` or `https` URL, or empty
/// @param madeUs when the offer was made, microseconds of the provider's clock since the epoch
public record ModelOffer(
    Address provider,
    Hash model,
    String region,
    String quantisation,
    String backend,
    TokenPrice price,
    int royaltyPermille,
    int poolPermille,
    int parallel,
    int contextTokens,
    DataPolicy policy,
    Optional<Hash> sealKey,
    String endpoint,
    long madeUs) {
  /// The author's part of a charge.
  public long toAuthor(long charge) {
    return share(charge, royaltyPermille);
  }

  /// The pool's part of a charge.
  public long toPool(long charge) {
    return share(charge, poolPermille);
  }

  private static long share(long charge, int permille) {
    return charge / 1_000 * permille + charge % 1_000 * permille / 1_000;
  }
}
