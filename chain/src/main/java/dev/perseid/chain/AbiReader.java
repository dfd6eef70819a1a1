package dev.perseid.chain;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Reads values as contracts give them. Slots are words from the beginning of the values. What does
/// not fit its type is an [ChainException.Kind#UNTRUSTED] answer.
public final class AbiReader {
  private final byte[] data;
  private final int from;

  /// Values from the first byte on.
  public AbiReader(byte[] data) {
    this(data, 0);
  }

  private AbiReader(byte[] data, int from) {
    this.data = data;
    this.from = from;
  }

  /// How many bytes there are.
  public int sizeBytes() {
    return data.length - from;
  }

  /// `bytes32`, or any word as it is.
  public Hash word(int slot) throws ChainException {
    return Hash.of(data, at(from + 32L * slot, 32));
  }

  /// `uint256`.
  public BigInteger uint(int slot) throws ChainException {
    return new BigInteger(1, data, at(from + 32L * slot, 32), 32);
  }

  /// A number that must be from 0 to 2^63 - 1.
  public long small(int slot) throws ChainException {
    BigInteger value = uint(slot);
    if (value.bitLength() > 63) {
      throw wrong("a number of " + value.bitLength() + " bits where at most 63 belong");
    }
    return value.longValueExact();
  }

  /// An amount of a token; what is more than 2^63 - 1 counts as that much.
  public long amount(int slot) throws ChainException {
    BigInteger value = uint(slot);
    return value.bitLength() > 63 ? Long.MAX_VALUE : value.longValueExact();
  }

  /// `address`.
  public Address address(int slot) throws ChainException {
    byte[] word = word(slot).bytes();
    for (int i = 0; i < 12; i++) {
      if (word[i] != 0) {
        throw wrong("more than 20 bytes where an address belongs");
      }
    }
    return Address.of(Arrays.copyOfRange(word, 12, 32));
  }

  /// `bool`.
  public boolean bool(int slot) throws ChainException {
    BigInteger value = uint(slot);
    if (value.bitLength() > 1) {
      throw wrong("neither 0 nor 1 where yes or no belongs");
    }
    return value.signum() != 0;
  }

  /// `bytes`.
  public byte[] bytes(int slot) throws ChainException {
    long start = from + small(slot);
    int length = size(start);
    int at = at(start + 32, length);
    return Arrays.copyOfRange(data, at, at + length);
  }

  /// `string`.
  public String string(int slot) throws ChainException {
    return new String(bytes(slot), UTF_8);
  }

  /// A struct with members of unknown length, or whatever else is pointed at.
  public AbiReader tuple(int slot) throws ChainException {
    return new AbiReader(data, at(from + small(slot), 0));
  }

  /// `bytes32[]`.
  public List<Hash> words(int slot) throws ChainException {
    long start = from + small(slot);
    int count = size(start);
    at(start + 32, 32L * count);
    List<Hash> all = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      all.add(Hash.of(data, at(start + 32 + 32L * i, 32)));
    }
    return all;
  }

  /// `address[]`.
  public List<Address> addresses(int slot) throws ChainException {
    List<Address> all = new ArrayList<>();
    for (Hash word : words(slot)) {
      all.add(new AbiReader(word.bytes()).address(0));
    }
    return all;
  }

  private int size(long start) throws ChainException {
    BigInteger size = new BigInteger(1, data, at(start, 32), 32);
    if (size.bitLength() > 31) {
      throw wrong("a length of " + size);
    }
    return size.intValueExact();
  }

  private int at(long start, long length) throws ChainException {
    if (start < 0 || length < 0 || start > data.length || length > data.length - start) {
      throw wrong("an answer of " + data.length + " bytes, which is too short");
    }
    return (int) start;
  }

  private static ChainException wrong(String what) {
    return ChainException.untrusted("the contract gave " + what + ": is it the right contract?");
  }
}
