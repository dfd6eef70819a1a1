package dev.perseid.chain;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/// A contract of ours as `contracts/build.sh` built it: its interface and its code.
public enum Artifact {
  REGISTRY("Registry"),
  ESCROW("Escrow"),
  COLLATERAL("Collateral"),
  COURT("Court"),
  DISPUTE("Dispute"),
  TEST_DOLLAR("TestDollar");

  private static final ObjectMapper JSON = new ObjectMapper();

  private final String file;

  Artifact(String file) {
    this.file = file;
  }

  /// An error that a contract declares.
  ///
  /// @param signature e.g. `TooEarly(uint64)`
  record ErrorType(String signature, String name, List<String> types) {}

  /// What a transaction carries to create it.
  public Call creation(Abi... arguments) {
    byte[] code;
    try {
      code = Hex.bytes(read().path("bytecode").asText());
    } catch (ChainException e) {
      throw new IllegalStateException("the packaged code of " + file + " is damaged", e);
    }
    byte[] coded = Abi.encode(List.of(arguments));
    byte[] all = Arrays.copyOf(code, code.length + coded.length);
    System.arraycopy(coded, 0, all, code.length, coded.length);
    return Call.create("deploy " + file.toLowerCase(Locale.ROOT), all);
  }

  List<ErrorType> errors() {
    List<ErrorType> all = new ArrayList<>();
    for (JsonNode one : read().path("abi")) {
      if (one.path("type").asText().equals("error")) {
        List<String> types = new ArrayList<>();
        for (JsonNode input : one.path("inputs")) {
          types.add(input.path("type").asText());
        }
        String name = one.path("name").asText();
        all.add(new ErrorType(name + "(" + String.join(",", types) + ")", name, types));
      }
    }
    return all;
  }

  JsonNode read() {
    String name = "abi/" + file + ".json";
    try (InputStream in = Artifact.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new IllegalStateException("the jar lacks " + name + ": build it again");
      }
      return JSON.readTree(in);
    } catch (IOException e) {
      throw new UncheckedIOException(name, e);
    }
  }
}
