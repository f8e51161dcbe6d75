package callprint;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.storm.multilang.BoltMsg;
import org.apache.storm.multilang.ISerializer;
import org.apache.storm.multilang.JsonSerializer;
import org.apache.storm.multilang.NoOutputException;
import org.apache.storm.multilang.ShellMsg;
import org.apache.storm.multilang.SpoutMsg;
import org.apache.storm.task.TopologyContext;
import org.apache.storm.utils.Utils;

/**
 * Storm's multi-language protocol in frames, so that a payload crosses as it is: docs/how/frames.md has every byte.
 *
 * <p>The Python half is src/callprint/topology/frames.py. What is rare (the handshake, logs, errors) is Storm's own JSON
 * in a frame. A frame that is not as described is an IOException: Storm ends the worker, as when a component dies.
 */
public class FrameSerializer implements ISerializer {
    private static final long serialVersionUID = 1L;
    private static final byte VERSION = 1;
    private static final int LONGEST_FRAME = 64 << 20;
    private static final int LONGEST_NAME = 0xFFFE;
    private static final int NO_NAME = 0xFFFF;
    private static final int MOST_VALUES = 0xFFFF;
    private static final int PIPE_BUFFER = 64 << 10;

    private transient DataOutputStream toComponent;
    private transient DataInputStream fromComponent;

    @Override
    public void initialize(OutputStream processIn, InputStream processOut) {
        toComponent = new DataOutputStream(new BufferedOutputStream(processIn, PIPE_BUFFER));
        fromComponent = new DataInputStream(new BufferedInputStream(processOut, PIPE_BUFFER));
    }

    @Override
    public Number connect(Map<String, Object> conf, TopologyContext context)
            throws IOException, NoOutputException {
        Frame hello = new Frame('H');
        hello.out.writeByte(VERSION);
        send(hello);
        JsonSerializer json = new JsonSerializer();
        json.initialize(new JsonFrames(), new AnswerInJson());
        return json.connect(conf, context);
    }

    @Override
    public void writeBoltMsg(BoltMsg message) throws IOException {
        Frame frame = new Frame('T');
        frame.name(message.getId());
        frame.name(message.getComp());
        frame.name(message.getStream());
        frame.out.writeInt((int) message.getTask());
        frame.values(message.getTuple());
        send(frame);
    }

    @Override
    public void writeSpoutMsg(SpoutMsg message) throws IOException {
        String command = message.getCommand();
        switch (command) {
            case "next":
                send(new Frame('N'));
                break;
            case "ack":
            case "fail":
                Frame frame = new Frame(command.equals("ack") ? 'A' : 'F');
                frame.name((String) message.getId());
                send(frame);
                break;
            default:
                JsonSerializer json = new JsonSerializer();
                json.initialize(new JsonFrames(), InputStream.nullInputStream());
                json.writeSpoutMsg(message);
        }
    }

    @Override
    public void writeTaskIds(List<Integer> taskIds) throws IOException {
        JsonSerializer json = new JsonSerializer();
        json.initialize(new JsonFrames(), InputStream.nullInputStream());
        json.writeTaskIds(taskIds);
    }

    @Override
    public ShellMsg readShellMsg() throws IOException, NoOutputException {
        Reader frame = new Reader(receive());
        ShellMsg message = new ShellMsg();
        switch (frame.kind) {
            case 'E':
                message.setCommand("emit");
                message.setNeedTaskIds(frame.flag());
                message.setId(frame.name());
                String stream = frame.name();
                message.setStream(stream == null ? Utils.DEFAULT_STREAM_ID : stream);
                message.setTask(frame.integer());
                for (int left = frame.count(); left > 0; left--) {
                    message.addAnchor(frame.name());
                }
                message.setTuple(frame.values());
                break;
            case 'A':
            case 'F':
                message.setCommand(frame.kind == 'A' ? "ack" : "fail");
                message.setId(frame.name());
                break;
            case 'S':
                message.setCommand("sync");
                break;
            case 'J':
                JsonSerializer json = new JsonSerializer();
                json.initialize(OutputStream.nullOutputStream(), frame.rest());
                try {
                    return json.readShellMsg();
                } catch (RuntimeException error) {
                    throw new IOException("a frame's JSON is no message", error);
                }
            default:
                throw new IOException("a frame of unknown kind " + (int) frame.kind);
        }
        frame.end();
        return message;
    }

    private void send(Frame frame) throws IOException {
        int length = frame.bytes.size();
        if (length > LONGEST_FRAME) {
            throw new IOException("a frame of " + length + " bytes, more than " + LONGEST_FRAME);
        }
        toComponent.writeInt(length);
        frame.bytes.writeTo(toComponent);
        toComponent.flush();
    }

    private byte[] receive() throws IOException, NoOutputException {
        int length;
        try {
            length = fromComponent.readInt();
        } catch (EOFException end) {
            throw new NoOutputException("Pipe to subprocess seems to be broken! No frame read.\n");
        }
        if (length < 1 || length > LONGEST_FRAME) {
            throw new IOException("a frame of " + length + " bytes, not 1 to " + LONGEST_FRAME);
        }
        byte[] frame = fromComponent.readNBytes(length);
        if (frame.length < length) {
            throw new NoOutputException("Pipe to subprocess seems to be broken! A frame was cut.\n");
        }
        return frame;
    }

    /** A frame to be sent: its kind, then what is appended. */
    private static final class Frame {
        final ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
        final DataOutputStream out = new DataOutputStream(bytes);

        Frame(char kind) throws IOException {
            out.writeByte(kind);
        }

        void name(String name) throws IOException {
            if (name == null) {
                out.writeShort(NO_NAME);
                return;
            }
            byte[] text = name.getBytes(StandardCharsets.UTF_8);
            if (text.length > LONGEST_NAME) {
                throw new IOException("a name of " + text.length + " bytes");
            }
            out.writeShort(text.length);
            out.write(text);
        }

        void values(List<Object> values) throws IOException {
            if (values.size() > MOST_VALUES) {
                throw new IOException("a tuple of " + values.size() + " values");
            }
            out.writeShort(values.size());
            for (Object value : values) {
                if (value == null) {
                    out.writeByte('0');
                } else if (value instanceof byte[]) {
                    payload('b', (byte[]) value);
                } else if (value instanceof String) {
                    payload('t', ((String) value).getBytes(StandardCharsets.UTF_8));
                } else if (value instanceof Long || value instanceof Integer || value instanceof Short) {
                    out.writeByte('i');
                    out.writeLong(((Number) value).longValue());
                } else if (value instanceof Double || value instanceof Float) {
                    out.writeByte('d');
                    out.writeDouble(((Number) value).doubleValue());
                } else {
                    throw new IOException("a tuple with a " + value.getClass().getName());
                }
            }
        }

        private void payload(char tag, byte[] payload) throws IOException {
            out.writeByte(tag);
            out.writeInt(payload.length);
            out.write(payload);
        }
    }

    /** A received frame, read from its first byte to its last; whatever does not fit into it is an IOException. */
    private static final class Reader {
        final char kind;
        private final ByteBuffer left;

        Reader(byte[] frame) {
            left = ByteBuffer.wrap(frame);
            kind = (char) (left.get() & 0xFF);
        }

        boolean flag() throws IOException {
            need(1);
            return left.get() != 0;
        }

        int integer() throws IOException {
            need(4);
            return left.getInt();
        }

        int count() throws IOException {
            need(2);
            return left.getShort() & 0xFFFF;
        }

        String name() throws IOException {
            int length = count();
            return length == NO_NAME ? null : text(length);
        }

        List<Object> values() throws IOException {
            int number = count();
            List<Object> values = new ArrayList<>(Math.min(number, left.remaining()));
            for (; number > 0; number--) {
                need(1);
                char tag = (char) (left.get() & 0xFF);
                switch (tag) {
                    case '0':
                        values.add(null);
                        break;
                    case 'i':
                        need(8);
                        values.add(left.getLong());
                        break;
                    case 'd':
                        need(8);
                        values.add(left.getDouble());
                        break;
                    case 't':
                        values.add(text(integer()));
                        break;
                    case 'b':
                        byte[] payload = new byte[need(integer())];
                        left.get(payload);
                        values.add(payload);
                        break;
                    default:
                        throw new IOException("a value of unknown type " + (int) tag);
                }
            }
            return values;
        }

        InputStream rest() {
            return new ByteArrayInputStream(left.array(), left.position(), left.remaining());
        }

        void end() throws IOException {
            if (left.hasRemaining()) {
                throw new IOException(left.remaining() + " bytes too many in a frame of kind " + kind);
            }
        }

        private String text(int length) throws IOException {
            ByteBuffer text = left.slice().limit(need(length));
            left.position(left.position() + length);
            try {
                return StandardCharsets.UTF_8.newDecoder().decode(text).toString();
            } catch (CharacterCodingException error) {
                throw new IOException("a text in a frame is not UTF-8", error);
            }
        }

        private int need(int length) throws IOException {
            if (length < 0 || length > left.remaining()) {
                throw new IOException("a frame ends too early: " + length + " of " + left.remaining() + " bytes");
            }
            return length;
        }
    }

    /** Takes what Storm's own serialiser writes, and sends it as a frame whenever that is flushed. */
    private final class JsonFrames extends OutputStream {
        private Frame frame;

        @Override
        public void write(int octet) throws IOException {
            write(new byte[] {(byte) octet}, 0, 1);
        }

        @Override
        public void write(byte[] octets, int from, int length) throws IOException {
            if (frame == null) {
                frame = new Frame('J');
            }
            frame.out.write(octets, from, length);
        }

        @Override
        public void flush() throws IOException {
            if (frame != null) {
                send(frame);
                frame = null;
            }
        }
    }

    /** Gives Storm's own serialiser the text of one frame, and waits for that only when it is asked for it. */
    private final class AnswerInJson extends InputStream {
        private InputStream text;

        @Override
        public int read() throws IOException {
            return opened().read();
        }

        @Override
        public int read(byte[] octets, int from, int length) throws IOException {
            return opened().read(octets, from, length);
        }

        private InputStream opened() throws IOException {
            if (text == null) {
                try {
                    Reader frame = new Reader(receive());
                    if (frame.kind != 'J') {
                        throw new IOException("the component does not speak in frames of version " + VERSION);
                    }
                    text = frame.rest();
                } catch (NoOutputException end) {
                    text = InputStream.nullInputStream();
                }
            }
            return text;
        }
    }
}
