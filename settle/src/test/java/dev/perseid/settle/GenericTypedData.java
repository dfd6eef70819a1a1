package dev.perseid.settle;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import dev.perseid.core.Hash;
import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.util.HexFormat;
import java.util.TreeSet;

/// EIP-712 as the standard puts it: typed-data JSON in, digest out. Slow and general; what the fast
/// path is held against.
final class GenericTypedData {
  private final JsonNode types;

  private GenericTypedData(JsonNode types) {
    this.types = types;
  }

  static Hash digest(JsonNode document) {
    GenericTypedData data = new GenericTypedData(document.get("types"));
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(0x19);
    out.write(0x01);
    out.writeBytes(data.hashStruct("EIP712Domain", document.get("domain")));
    out.writeBytes(data.hashStruct(document.get("primaryType").asText(), document.get("message")));
    return Keccak.hash(out.toByteArray());
  }

  private byte[] hashStruct(String type, JsonNode value) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(keccak(encodeType(type).getBytes(UTF_8)));
    for (JsonNode member : types.get(type)) {
      JsonNode field = value.get(member.get("name").asText());
      if (field == null) {
        throw new IllegalArgumentException("no value for " + member);
      }
      out.writeBytes(encode(member.get("type").asText(), field));
    }
    return keccak(out.toByteArray());
  }

  private String encodeType(String primary) {
    TreeSet<String> others = new TreeSet<>();
    collect(primary, others);
    others.remove(primary);
    StringBuilder out = new StringBuilder(encodeOne(primary));
    others.forEach(t -> out.append(encodeOne(t)));
    return out.toString();
  }

  private void collect(String type, TreeSet<String> into) {
    String element = type.replaceAll("\\[\\d*]", "");
    if (types.has(element) && into.add(element)) {
      for (JsonNode member : types.get(element)) {
        collect(member.get("type").asText(), into);
      }
    }
  }

  private String encodeOne(String type) {
    StringBuilder out = new StringBuilder(type).append('(');
    String comma = "";
    for (JsonNode member : types.get(type)) {
      out.append(comma).append(member.get("type").asText()).append(' ');
      out.append(member.get("name").asText());
      comma = ",";
    }
    return out.append(')').toString();
  }

  private byte[] encode(String type, JsonNode value) {
    if (type.endsWith("]")) {
      String element = type.substring(0, type.lastIndexOf('['));
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      value.forEach(v -> out.writeBytes(encode(element, v)));
      return keccak(out.toByteArray());
    }
    if (types.has(type)) {
      return hashStruct(type, value);
    }
    if (type.equals("string")) {
      return keccak(value.asText().getBytes(UTF_8));
    }
    byte[] word = new byte[32];
    if (type.startsWith("uint")) {
      BigInteger number = value.bigIntegerValue();
      int bits = Integer.parseInt(type.substring(4));
      if (number.signum() < 0 || number.bitLength() > bits) {
        throw new IllegalArgumentException(number + " is no " + type);
      }
      byte[] bytes = number.toByteArray();
      int length = Math.min(32, bytes.length);
      System.arraycopy(bytes, bytes.length - length, word, 32 - length, length);
      return word;
    }
    byte[] bytes = HexFormat.of().parseHex(value.asText().substring(2));
    if (type.equals("address") && bytes.length == 20) {
      System.arraycopy(bytes, 0, word, 12, 20);
      return word;
    }
    if (type.startsWith("bytes") && bytes.length == Integer.parseInt(type.substring(5))) {
      System.arraycopy(bytes, 0, word, 0, bytes.length);
      return word;
    }
    throw new IllegalArgumentException(value + " is no " + type);
  }

  private static byte[] keccak(byte[] bytes) {
    return Keccak.hash(bytes).bytes();
  }
}
