package dev.perseid.settle;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;

/// EIP-712 hashing under Perseid's domain: name "Perseid", version "1", no chain and no contract,
/// because the credits ledger lives in the pool's log and on no chain; and under the domains of
/// contracts, for what moves money there.
final class TypedData {
  private static final Hash DOMAIN_TYPE = type("EIP712Domain(string name,string version)");

  /// The domain separator: hashStruct(eip712Domain).
  static final Hash DOMAIN = new Words(3).hash(DOMAIN_TYPE).string("Perseid").string("1").keccak();

  private static final Hash CHAIN_DOMAIN_TYPE =
      type("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

  /// Where the struct's hash stands in [#message].
  static final int STRUCT_AT = 34;

  private TypedData() {}

  /// The type hash of an encoded type.
  static Hash type(String encodedType) {
    return Keccak.hash(encodedType.getBytes(UTF_8));
  }

  /// The separator of a domain that names chain and contract.
  static Hash domain(String name, String version, long chainId, Address contract) {
    return new Words(5)
        .hash(CHAIN_DOMAIN_TYPE)
        .string(name)
        .string(version)
        .uint64(chainId)
        .address(contract)
        .keccak();
  }

  /// The digest that is signed under another domain than Perseid's own.
  static Hash digest(Hash domain, Hash struct) {
    byte[] message = message();
    domain.write(message, 2);
    struct.write(message, STRUCT_AT);
    return Keccak.hash(message);
  }

  /// The digest that is signed: keccak256(0x19 0x01, domain separator, struct hash).
  static Hash digest(Hash struct) {
    byte[] message = message();
    struct.write(message, STRUCT_AT);
    return Keccak.hash(message);
  }

  /// The message whose hash is the digest, without the struct's hash, which belongs at
  /// [#STRUCT_AT].
  static byte[] message() {
    byte[] message = new byte[STRUCT_AT + 32];
    message[0] = 0x19;
    message[1] = 0x01;
    DOMAIN.write(message, 2);
    return message;
  }
}
