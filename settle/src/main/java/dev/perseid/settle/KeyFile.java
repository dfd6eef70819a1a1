package dev.perseid.settle;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.nio.file.StandardOpenOption.CREATE_NEW;
import static java.nio.file.StandardOpenOption.WRITE;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Set;
import java.util.UUID;
import javax.crypto.Cipher;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.crypto.digests.SHA256Digest;
import org.bouncycastle.crypto.generators.PKCS5S2ParametersGenerator;
import org.bouncycastle.crypto.params.KeyParameter;

/// Keys at rest: Web3 Secret Storage, version 3 (the keystore of every Ethereum wallet). Reads
/// scrypt and PBKDF2, writes scrypt. A node keeps `key.json` and, unless its password comes from
/// elsewhere, `key.password` beside it; both belong to their owner alone (0600).
public final class KeyFile {
  /// How hard a guess at the password is made.
  public enum Strength {
    /// scrypt n = 2^18, 256 MiB and about a second: for keys whose password a person chose.
    STANDARD(1 << 18),
    /// scrypt n = 2^12, 4 MiB and some 20 ms: enough for a random password of 256 bits, which no
    /// slowness makes safer.
    LIGHT(1 << 12);

    private final int n;

    Strength(int n) {
      this.n = n;
    }
  }

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final HexFormat HEX = HexFormat.of();
  private static final String KEY = "key.json";
  private static final String PASSWORD = "key.password";

  private KeyFile() {}

  /// Encrypts a key. The text has no secret in it but to who knows the password.
  public static String encrypt(Key key, String password, Strength strength) {
    SecureRandom random = new SecureRandom();
    byte[] salt = new byte[32];
    byte[] iv = new byte[16];
    random.nextBytes(salt);
    random.nextBytes(iv);
    byte[] derived = Scrypt.derive(password.getBytes(UTF_8), salt, strength.n, 8, 1);
    byte[] cipherText = aesCtr(derived, iv, key.secretBytes());
    ObjectNode root = JSON.createObjectNode();
    root.put("address", HEX.formatHex(key.address().bytes()));
    ObjectNode crypto = root.putObject("crypto");
    crypto.put("cipher", "aes-128-ctr");
    crypto.put("ciphertext", HEX.formatHex(cipherText));
    crypto.putObject("cipherparams").put("iv", HEX.formatHex(iv));
    crypto.put("kdf", "scrypt");
    ObjectNode scrypt = crypto.putObject("kdfparams");
    scrypt.put("dklen", 32).put("n", strength.n).put("p", 1).put("r", 8);
    scrypt.put("salt", HEX.formatHex(salt));
    crypto.put("mac", HEX.formatHex(mac(derived, cipherText)));
    root.put("id", UUID.randomUUID().toString());
    root.put("version", 3);
    return root.toPrettyString() + "\n";
  }

  /// Decrypts a keystore.
  ///
  /// @throws KeyFileException if it is none, asks for more work than is sane, or the password is
  ///   wrong
  public static Key decrypt(String keystore, String password) throws KeyFileException {
    JsonNode root;
    try {
      root = JSON.readTree(keystore);
    } catch (JacksonException e) {
      throw new KeyFileException("is not JSON: it must be a version 3 keystore");
    }
    if (root == null || root.path("version").asInt() != 3) {
      throw new KeyFileException("is not a version 3 keystore");
    }
    JsonNode crypto = root.has("crypto") ? root.path("crypto") : root.path("Crypto");
    if (!crypto.path("cipher").asText().equals("aes-128-ctr")) {
      throw new KeyFileException(
          "uses cipher '" + crypto.path("cipher").asText() + "'; only aes-128-ctr is known");
    }
    byte[] cipherText = bytes(crypto, "ciphertext", 32);
    byte[] iv = bytes(crypto.path("cipherparams"), "iv", 16);
    byte[] expected = bytes(crypto, "mac", 32);
    byte[] derived = derive(crypto, password);
    if (!MessageDigest.isEqual(mac(derived, cipherText), expected)) {
      throw new KeyFileException("cannot be opened: the password is wrong or the file is damaged");
    }
    Key key;
    try {
      key = Key.of(aesCtr(derived, iv, cipherText));
    } catch (IllegalArgumentException e) {
      throw new KeyFileException("holds no valid secp256k1 key");
    }
    String named = root.path("address").asText();
    if (!named.isEmpty()
        && !("0x" + named.replaceFirst("^0x", "")).equalsIgnoreCase(key.address().toString())) {
      throw new KeyFileException(
          "names address " + named + " but holds the key of " + key.address());
    }
    return key;
  }

  /// Writes a new keystore file, readable by its owner alone; complete or not at all.
  ///
  /// @throws FileAlreadyExistsException if there is a file
  public static void write(Path file, Key key, String password, Strength strength)
      throws IOException {
    create(file, encrypt(key, password, strength));
  }

  /// Reads a keystore file.
  ///
  /// @throws KeyFileException if others may read it, it is damaged, or the password is wrong
  public static Key read(Path file, String password) throws IOException {
    String text = readPrivate(file, Limits.KEY_FILE_BYTES);
    try {
      return decrypt(text, password);
    } catch (KeyFileException e) {
      throw new KeyFileException("the key file " + file + " " + e.getMessage());
    }
  }

  static Key loadOrCreate(Path dir, PasswordSource source) throws IOException {
    if (!Files.isDirectory(dir)) {
      Files.createDirectories(dir, attributes(dir, "rwx------"));
    }
    Path file = dir.resolve(KEY);
    if (!Files.exists(file)) {
      try {
        write(file, Key.generate(), password(dir, source, true), Strength.LIGHT);
      } catch (FileAlreadyExistsException e) {
        // Another process made it a moment ago: that one is the key.
        return read(file, password(dir, source, false));
      }
    }
    return read(file, password(dir, source, false));
  }

  private static String password(Path dir, PasswordSource source, boolean make) throws IOException {
    Path file =
        switch (source) {
          case PasswordSource.Beside() -> dir.resolve(PASSWORD);
          case PasswordSource.InFile(Path path) -> path;
        };
    if (!Files.exists(file)) {
      if (source instanceof PasswordSource.InFile) {
        throw new KeyFileException(
            "there is no password file "
                + file
                + ": make it (mode 0600), or unset "
                + PasswordSource.VARIABLE
                + " to let a node make its own beside its key");
      }
      if (!make) {
        throw new KeyFileException(
            "the key "
                + dir.resolve(KEY)
                + " has no password file "
                + file
                + " beside it: restore it, or name another in "
                + PasswordSource.VARIABLE);
      }
      byte[] random = new byte[32];
      new SecureRandom().nextBytes(random);
      try {
        create(file, Base64.getUrlEncoder().withoutPadding().encodeToString(random) + "\n");
      } catch (FileAlreadyExistsException e) {
        // Another process made it a moment ago: that one counts.
      }
    }
    String password = readPrivate(file, Limits.PASSWORD_FILE_BYTES).strip();
    if (password.isEmpty()) {
      throw new KeyFileException("the password file " + file + " is empty: write a password");
    }
    return password;
  }

  /// Reads a file that its owner alone may read.
  static String readPrivate(Path file, int limitBytes) throws IOException {
    if (Files.getFileStore(file).supportsFileAttributeView(PosixFileAttributeView.class)) {
      Set<PosixFilePermission> granted = Files.getPosixFilePermissions(file);
      if (granted.stream().anyMatch(p -> !p.name().startsWith("OWNER_"))) {
        throw new KeyFileException(
            "others may read "
                + file
                + " (mode "
                + PosixFilePermissions.toString(granted)
                + "): run 'chmod 600 "
                + file
                + "', and if this machine has other users make a new key");
      }
    }
    if (Files.size(file) > limitBytes) {
      throw new KeyFileException(file + " is larger than " + limitBytes + " bytes: not a key file");
    }
    return Files.readString(file, UTF_8);
  }

  /// Creates a file of mode 0600 that is complete or not there.
  static void create(Path file, String text) throws IOException {
    if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      throw new FileAlreadyExistsException(file.toString());
    }
    Path parent = file.toAbsolutePath().getParent();
    Path written = file.resolveSibling("." + file.getFileName() + "." + UUID.randomUUID() + ".new");
    try {
      try (FileChannel out =
          FileChannel.open(written, Set.of(CREATE_NEW, WRITE), attributes(written, "rw-------"))) {
        ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(UTF_8));
        while (bytes.hasRemaining()) {
          out.write(bytes);
        }
        out.force(true);
      }
      // A hard link, unlike a move, never replaces what another process just made.
      try {
        Files.createLink(file, written);
      } catch (UnsupportedOperationException e) {
        Files.move(written, file);
      }
      if (parent != null) {
        try (FileChannel directory = FileChannel.open(parent)) {
          directory.force(true);
        }
      }
    } finally {
      Files.deleteIfExists(written);
    }
  }

  static FileAttribute<?>[] attributes(Path path, String permissions) {
    return path.getFileSystem().supportedFileAttributeViews().contains("posix")
        ? new FileAttribute<?>[] {
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions))
        }
        : new FileAttribute<?>[0];
  }

  private static byte[] derive(JsonNode crypto, String password) throws KeyFileException {
    JsonNode params = crypto.path("kdfparams");
    if (params.path("dklen").asInt() != 32) {
      throw new KeyFileException("has a derived key length other than 32");
    }
    byte[] salt = bytes(params, "salt", -1);
    String kdf = crypto.path("kdf").asText();
    return switch (kdf) {
      case "scrypt" -> {
        long n = params.path("n").asLong();
        long r = params.path("r").asLong();
        long p = params.path("p").asLong();
        if (n < 2
            || Long.bitCount(n) != 1
            || r < 1
            || p < 1
            || n > Limits.SCRYPT_WORK
            || r > Limits.SCRYPT_WORK
            || p > Limits.SCRYPT_WORK
            || n * r > Limits.SCRYPT_BYTES / 128
            || n * r > Limits.SCRYPT_WORK / p) {
          throw new KeyFileException(
              "asks for scrypt n=" + n + " r=" + r + " p=" + p + ", which is not sane");
        }
        yield Scrypt.derive(password.getBytes(UTF_8), salt, (int) n, (int) r, (int) p);
      }
      case "pbkdf2" -> {
        int rounds = params.path("c").asInt();
        if (!params.path("prf").asText().equals("hmac-sha256")
            || rounds < 1
            || rounds > Limits.PBKDF2_ROUNDS) {
          throw new KeyFileException("asks for pbkdf2 other than hmac-sha256 of sane rounds");
        }
        PKCS5S2ParametersGenerator pbkdf2 = new PKCS5S2ParametersGenerator(new SHA256Digest());
        pbkdf2.init(password.getBytes(UTF_8), salt, rounds);
        yield ((KeyParameter) pbkdf2.generateDerivedParameters(256)).getKey();
      }
      default -> throw new KeyFileException("derives its key by '" + kdf + "', which is unknown");
    };
  }

  private static byte[] mac(byte[] derived, byte[] cipherText) {
    byte[] both = Arrays.copyOfRange(derived, 16, 32 + cipherText.length);
    System.arraycopy(cipherText, 0, both, 16, cipherText.length);
    return Keccak.hash(both).bytes();
  }

  private static byte[] aesCtr(byte[] derived, byte[] iv, byte[] text) {
    try {
      Cipher cipher = Cipher.getInstance("AES/CTR/NoPadding");
      cipher.init(
          Cipher.ENCRYPT_MODE, new SecretKeySpec(derived, 0, 16, "AES"), new IvParameterSpec(iv));
      return cipher.doFinal(text);
    } catch (GeneralSecurityException e) {
      throw new AssertionError("every JDK has AES in counter mode", e);
    }
  }

  private static byte[] bytes(JsonNode parent, String field, int length) throws KeyFileException {
    String hex = parent.path(field).asText();
    try {
      byte[] bytes = HEX.parseHex(hex);
      if (length >= 0 && bytes.length != length) {
        throw new KeyFileException(
            "has a '" + field + "' of " + bytes.length + " bytes instead of " + length);
      }
      return bytes;
    } catch (IllegalArgumentException e) {
      throw new KeyFileException("has a '" + field + "' that is not hexadecimal");
    }
  }
}
