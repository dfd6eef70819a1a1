package dev.perseid.sim;

import dev.perseid.core.Address;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.Offer;
import dev.perseid.journal.Merkle;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// Real keys and EIP-712 digests in the simulated world.
final class RealSeals implements Seals {
  private final Map<Address, Key> keys = new TreeMap<>();

  @Override
  public Address admit(long seed) {
    Key key = Key.of(new Hash(0, 0, 1, seed).bytes());
    keys.put(key.address(), key);
    return key.address();
  }

  @Override
  public String sign(Address who, Hash digest) {
    return keys.get(who).sign(digest);
  }

  @Override
  public Hash record(ExecutionRecord r) {
    return Digests.record(r);
  }

  @Override
  public Hash offer(Offer o) {
    return Digests.offer(o);
  }

  @Override
  public Hash model(Model m) {
    return Digests.model(m);
  }

  @Override
  public Hash modelOffer(ModelOffer o) {
    return Digests.modelOffer(o);
  }

  @Override
  public Hash operated(Address operator, Address provider) {
    return Digests.operated(operator, provider);
  }

  @Override
  public Hash root(List<Hash> digests) {
    return Merkle.root(digests.stream().map(d -> Merkle.leafHash(d.bytes())).toList());
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
