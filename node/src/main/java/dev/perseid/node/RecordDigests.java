package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Offer;
import java.util.List;
import java.util.Optional;

/// The cryptography that the pool's loop needs. The node's is `settle`'s; the simulator may put a
/// cheap one in its place.
public interface RecordDigests {
  /// EIP-712 digest of a record.
  Hash record(ExecutionRecord r);

  /// The digests of records, in their order: where it matters, much cheaper than one by one.
  default List<Hash> records(List<ExecutionRecord> records) {
    return records.stream().map(this::record).toList();
  }

  /// EIP-712 digest of an offer.
  Hash offer(Offer o);

  /// EIP-712 digest of an operator's word that a provider is its own.
  Hash operated(Address operator, Address provider);

  /// RFC 6962 Merkle root over the digests of a batch's records.
  Hash root(List<Hash> digests);

  /// EIP-712 digest of a batch.
  Hash batch(Address pool, Hash root, int count);

  /// Who made the signature, if it is one.
  ///
  /// @param signature 65 bytes r, s, v in hexadecimal digits
  Optional<Address> signer(Hash digest, String signature);
}
