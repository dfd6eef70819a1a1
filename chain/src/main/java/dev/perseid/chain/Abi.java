package dev.perseid.chain;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.settle.Keccak;
import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.List;

/// A value as contracts take it (the ABI of Solidity): a word of 32 bytes, a string of bytes, or
/// several values.
public sealed interface Abi {
  /// A value of one word: `uintN`, `address`, `bool`, `bytes32`.
  record Word(Hash word) implements Abi {}

  /// `bytes` or `string`.
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Bytes(byte[] bytes) implements Abi {}

  /// A struct, or the arguments of a function.
  record Tuple(List<Abi> members) implements Abi {}

  /// `T[]`: values of one type.
  record Array(List<Abi> elements) implements Abi {}

  /// `uint8` to `uint64`.
  static Abi uint(long value) {
    if (value < 0) {
      throw new IllegalArgumentException("must not be negative: " + value);
    }
    return new Word(new Hash(0, 0, 0, value));
  }

  /// `uint256`.
  static Abi uint(BigInteger value) {
    if (value.signum() < 0 || value.bitLength() > 256) {
      throw new IllegalArgumentException("does not fit into 256 bits: " + value);
    }
    byte[] word = new byte[32];
    byte[] bytes = value.toByteArray();
    int length = Math.min(bytes.length, 32);
    System.arraycopy(bytes, bytes.length - length, word, 32 - length, length);
    return new Word(Hash.of(word));
  }

  /// `address`.
  static Abi address(Address value) {
    return new Word(topic(value));
  }

  /// `bytes32`.
  static Abi word(Hash value) {
    return new Word(value);
  }

  /// `bool`.
  static Abi bool(boolean value) {
    return uint(value ? 1 : 0);
  }

  /// `bytes`.
  static Abi bytes(byte[] value) {
    return new Bytes(value);
  }

  /// `string`.
  static Abi string(String value) {
    return new Bytes(value.getBytes(UTF_8));
  }

  /// `bytes32[]`.
  static Abi words(List<Hash> values) {
    return new Array(values.stream().map(Abi::word).toList());
  }

  /// A struct.
  static Abi tuple(Abi... members) {
    return new Tuple(List.of(members));
  }

  /// An array.
  static Abi array(List<Abi> elements) {
    return new Array(elements);
  }

  /// What goes to a contract to call a function.
  ///
  /// @param signature e.g. `transfer(address,uint256)`
  static byte[] call(String signature, Abi... arguments) {
    byte[] coded = encode(List.of(arguments));
    byte[] out = Arrays.copyOf(selector(signature), 4 + coded.length);
    System.arraycopy(coded, 0, out, 4, coded.length);
    return out;
  }

  /// The first four bytes of a function's or error's hash.
  static byte[] selector(String signature) {
    return Arrays.copyOf(topic(signature).bytes(), 4);
  }

  /// The hash of an event's signature: the first topic of its logs.
  static Hash topic(String signature) {
    return Keccak.hash(signature.getBytes(UTF_8));
  }

  /// An indexed argument that is an address, as it stands among a log's topics.
  static Hash topic(Address value) {
    byte[] word = new byte[32];
    System.arraycopy(value.bytes(), 0, word, 12, 20);
    return Hash.of(word);
  }

  /// The values one after the other, those of unknown length at the end.
  static byte[] encode(List<Abi> values) {
    int head = 0;
    for (Abi value : values) {
      head += value.headBytes();
    }
    ByteArrayOutputStream heads = new ByteArrayOutputStream();
    ByteArrayOutputStream tails = new ByteArrayOutputStream();
    for (Abi value : values) {
      if (value.dynamic()) {
        write(heads, uint(head + tails.size()));
        tails.writeBytes(value.tail());
      } else {
        write(heads, value);
      }
    }
    heads.writeBytes(tails.toByteArray());
    return heads.toByteArray();
  }

  private static void write(ByteArrayOutputStream out, Abi value) {
    switch (value) {
      case Word(Hash word) -> out.writeBytes(word.bytes());
      case Tuple(List<Abi> members) -> members.forEach(m -> write(out, m));
      case Bytes b -> throw new IllegalStateException("has a tail: " + b);
      case Array a -> throw new IllegalStateException("has a tail: " + a);
    }
  }

  private boolean dynamic() {
    return switch (this) {
      case Word w -> false;
      case Bytes b -> true;
      case Array a -> true;
      case Tuple(List<Abi> members) -> members.stream().anyMatch(Abi::dynamic);
    };
  }

  private int headBytes() {
    return switch (this) {
      case Tuple(List<Abi> members) when !dynamic() ->
          members.stream().mapToInt(Abi::headBytes).sum();
      case Word w -> 32;
      case Bytes b -> 32;
      case Array a -> 32;
      case Tuple t -> 32;
    };
  }

  private byte[] tail() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    switch (this) {
      case Word w -> throw new IllegalStateException("has no tail: " + w);
      case Tuple(List<Abi> members) -> out.writeBytes(encode(members));
      case Array(List<Abi> elements) -> {
        write(out, uint(elements.size()));
        out.writeBytes(encode(elements));
      }
      case Bytes(byte[] bytes) -> {
        write(out, uint(bytes.length));
        out.writeBytes(bytes);
        out.writeBytes(new byte[(32 - bytes.length % 32) % 32]);
      }
    }
    return out.toByteArray();
  }
}
