package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Offer;
import dev.perseid.journal.Merkle;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.util.List;
import java.util.Optional;

/// The real cryptography: EIP-712, secp256k1, RFC 6962.
final class SettleDigests implements RecordDigests {
  @Override
  public Hash record(ExecutionRecord r) {
    return Digests.record(r);
  }

  @Override
  public List<Hash> records(List<ExecutionRecord> records) {
    return Digests.records(records);
  }

  @Override
  public Hash offer(Offer o) {
    return Digests.offer(o);
  }

  @Override
  public Hash operated(Address operator, Address provider) {
    return Digests.operated(operator, provider);
  }

  @Override
  public Hash root(List<Hash> digests) {
    return Merkle.rootOfDigests(digests);
  }

  @Override
  public Hash batch(Address pool, Hash root, int count) {
    return Digests.batch(pool, root, count);
  }

  @Override
  public Optional<Address> signer(Hash digest, String signature) {
    return Key.recover(digest, signature);
  }
}
