package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Offer;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;

/// Signs for a provider with its key.
///
/// @param key the provider's key; its address is the provider's name
public record ProviderSeal(Key key) implements ProviderLoop.Signer {
  @Override
  public Hash digest(ExecutionRecord record) {
    return Digests.record(record);
  }

  @Override
  public Hash digest(Offer offer) {
    return Digests.offer(offer);
  }

  @Override
  public String signBatch(Address pool, Hash root, int count) {
    return key.sign(Digests.batch(pool, root, count));
  }

  @Override
  public String signOffer(Offer offer) {
    return key.sign(Digests.offer(offer));
  }
}
