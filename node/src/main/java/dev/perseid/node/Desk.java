package dev.perseid.node;

import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.SignedModelOffer;
import dev.perseid.inference.Backend;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/// Where requests under one offer are placed: what runs there and how it went.
final class Desk {
  final SignedModelOffer signed;
  final OfferStats stats;
  final AtomicInteger running = new AtomicInteger();

  /// The provider's own server, if the pool calls it itself.
  final Optional<Backend> direct;

  private final Model model;

  Desk(SignedModelOffer signed, Model model, Optional<Backend> direct, OfferStats stats) {
    this.signed = signed;
    this.model = model;
    this.direct = direct;
    this.stats = stats;
  }

  ModelOffer offer() {
    return signed.offer();
  }

  Model model() {
    return model;
  }
}
