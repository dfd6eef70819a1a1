package dev.perseid.chain;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Keccak;
import dev.perseid.settle.Key;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.HexFormat;

/// A transaction before it is signed. All amounts are wei.
record Transaction(long chainId, long nonce, long gas, Fee fee, Call call) {
  /// What gas may cost.
  sealed interface Fee {
    /// EIP-1559: at most so much for a unit of gas, of which so much may go to who makes the block.
    record Dynamic(BigInteger most, BigInteger tip) implements Fee {}

    /// For chains without a base fee: so much for a unit of gas (with EIP-155).
    record Flat(BigInteger price) implements Fee {}

    /// The most that a unit of gas may cost.
    default BigInteger mostWei() {
      return switch (this) {
        case Dynamic(BigInteger most, BigInteger tip) -> most;
        case Flat(BigInteger price) -> price;
      };
    }
  }

  /// As it goes to a node.
  ///
  /// @param hash its name on the chain
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Signed(byte[] bytes, Hash hash, Address from, Transaction transaction) {}

  /// The contract that it creates, if it creates one: from sender and nonce.
  static Address created(Address from, long nonce) {
    byte[] hash = Keccak.hash(Rlp.of(Rlp.of(from.bytes()), Rlp.of(nonce)).encode()).bytes();
    return Address.of(Arrays.copyOfRange(hash, 12, 32));
  }

  Signed sign(Key key) {
    byte[] to = call.to().map(Address::bytes).orElse(new byte[0]);
    byte[] bytes =
        switch (fee) {
          case Fee.Dynamic(BigInteger most, BigInteger tip) -> {
            Rlp[] fields = {
              Rlp.of(chainId),
              Rlp.of(nonce),
              Rlp.of(tip),
              Rlp.of(most),
              Rlp.of(gas),
              Rlp.of(to),
              Rlp.of(call.valueWei()),
              Rlp.of(call.data()),
              Rlp.of() // no access list
            };
            byte[] signature = signature(key, typed(Rlp.of(fields)));
            Rlp[] all = Arrays.copyOf(fields, fields.length + 3);
            all[fields.length] = Rlp.of(signature[64] - 27L);
            all[fields.length + 1] = Rlp.of(new BigInteger(1, signature, 0, 32));
            all[fields.length + 2] = Rlp.of(new BigInteger(1, signature, 32, 32));
            yield typed(Rlp.of(all));
          }
          case Fee.Flat(BigInteger price) -> {
            Rlp[] fields = {
              Rlp.of(nonce),
              Rlp.of(price),
              Rlp.of(gas),
              Rlp.of(to),
              Rlp.of(call.valueWei()),
              Rlp.of(call.data()),
              Rlp.of(chainId),
              Rlp.of(0),
              Rlp.of(0)
            };
            byte[] signature = signature(key, Rlp.of(fields).encode());
            fields[6] =
                Rlp.of(BigInteger.valueOf(chainId).shiftLeft(1).add(of(signature[64] + 8L)));
            fields[7] = Rlp.of(new BigInteger(1, signature, 0, 32));
            fields[8] = Rlp.of(new BigInteger(1, signature, 32, 32));
            yield Rlp.of(fields).encode();
          }
        };
    return new Signed(bytes, Keccak.hash(bytes), key.address(), this);
  }

  private static BigInteger of(long value) {
    return BigInteger.valueOf(value);
  }

  private static byte[] typed(Rlp fields) {
    byte[] coded = fields.encode();
    byte[] out = new byte[coded.length + 1];
    out[0] = 2;
    System.arraycopy(coded, 0, out, 1, coded.length);
    return out;
  }

  private static byte[] signature(Key key, byte[] message) {
    return HexFormat.of().parseHex(key.sign(Keccak.hash(message)));
  }
}
