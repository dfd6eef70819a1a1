package dev.perseid.sim;

import dev.perseid.core.Address;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.Offer;
import dev.perseid.journal.Merkle;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/// Seals a thousand times cheaper than real ones: a digest is SHA-256 over the fields in words, a
/// signature is the signer's address and a checksum. Everybody could forge them; the liars of the
/// simulated world do not try, they sign nonsense instead.
final class CheapSeals implements Seals {
  private static final int SIGNATURE_BYTES = 65;

  @Override
  public Address admit(long seed) {
    Dice dice = new Dice(seed);
    return new Address(dice.next(), dice.next(), (int) dice.next());
  }

  @Override
  public Hash record(ExecutionRecord r) {
    return words("record " + r);
  }

  @Override
  public Hash offer(Offer o) {
    return words("offer " + o);
  }

  @Override
  public Hash operated(Address operator, Address provider) {
    return words("operated " + operator + " " + provider);
  }

  @Override
  public Hash model(Model m) {
    return words("model " + m);
  }

  @Override
  public Hash modelOffer(ModelOffer o) {
    return words("model offer " + o);
  }

  @Override
  public Hash root(List<Hash> digests) {
    return Merkle.root(digests.stream().map(d -> Merkle.leafHash(d.bytes())).toList());
  }

  @Override
  public Hash batch(Address pool, Hash root, int count) {
    return words("batch " + pool + " " + root + " " + count);
  }

  private static Hash words(String words) {
    return Hash.sha256(words.getBytes(StandardCharsets.UTF_8));
  }

  @Override
  public String sign(Address who, Hash digest) {
    ByteBuffer out = ByteBuffer.allocate(SIGNATURE_BYTES);
    out.put(who.bytes()).put(checksum(who, digest).bytes());
    return HexFormat.of().formatHex(out.array());
  }

  private static Hash checksum(Address who, Hash digest) {
    return new Hash(
        Dice.mix(digest.a() ^ who.a()),
        Dice.mix(digest.b() ^ who.b()),
        Dice.mix(digest.c() ^ who.c()),
        Dice.mix(digest.d()));
  }

  @Override
  public Optional<Address> signer(Hash digest, String signature) {
    if (signature.length() != 2 * SIGNATURE_BYTES) {
      return Optional.empty();
    }
    byte[] bytes = HexFormat.of().parseHex(signature);
    byte[] address = new byte[20];
    System.arraycopy(bytes, 0, address, 0, address.length);
    Address who = Address.of(address);
    return sign(who, digest).equals(signature) ? Optional.of(who) : Optional.empty();
  }
}
