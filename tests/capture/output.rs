//! Output: the same bytes, never half a file; and packets in the other format.

use std::fs::{self, File};
use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use standin::capture::{
    Compression, ConvertError, Converter, Output, PacketRecord, Reader, Resolution, Writer, is_marked,
};

use super::build::{MICROS, NANOS, Order, Pcap, one_of_everything};
use super::{Seen, Whole, read_bytes};

fn files(folder: &Path) -> Vec<String> {
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn a_file_has_its_name_only_when_complete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.pcap");
    let mut output = Output::create(&path).unwrap();
    output.write_all(b"half").unwrap();
    let part = files(folder.path());
    assert!(part.len() == 1 && part[0] != "out.pcap", "{part:?}");
    let mode = fs::metadata(folder.path().join(&part[0])).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(output);
    assert!(files(folder.path()).is_empty());

    let mut output = Output::create(&path).unwrap();
    output.write_all(b"whole").unwrap();
    output.commit().unwrap();
    assert_eq!((files(folder.path()), fs::read(&path).unwrap()), (vec!["out.pcap".to_owned()], b"whole".to_vec()));
    // As any other new file.
    File::create(folder.path().join("other")).unwrap();
    let mode = |name| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
    assert_eq!(mode("out.pcap"), mode("other"));
}

#[test]
fn a_replaced_file_stays_until_then_and_keeps_mode_and_links() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("real"), folder.path().join("link"));
    fs::write(&path, b"old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let mut output = Output::create(&link).unwrap();
    output.write_all(b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    output.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn names_ask_for_compression() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, packets) = one_of_everything(Order::Little);
    for (name, magic) in [("a.gz", &[0x1f, 0x8b][..]), ("a.pcapng.zst", &[0x28, 0xb5]), ("a.pcapng", &bytes[..2])] {
        let path = folder.path().join(name);
        let mut output = Output::create(&path).unwrap();
        bytes.chunks(7).for_each(|chunk| output.write_all(chunk).unwrap());
        output.commit().unwrap();
        let written = fs::read(&path).unwrap();
        assert!(written.starts_with(magic), "{name}");
        let whole = read_bytes(&written).unwrap();
        assert_eq!((whole.bytes, whole.packets, whole.damage), (bytes.clone(), packets.clone(), None));
    }
}

#[test]
fn flushed_compressed_output_can_be_read_so_far() {
    let (bytes, packets) = one_of_everything(Order::Little);
    for compression in [Compression::Gzip, Compression::Zstd] {
        let mut writer = Writer::new(Vec::new(), compression).unwrap();
        writer.write_all(&bytes).unwrap();
        writer.flush().unwrap();
        let written = writer.finish().unwrap();
        assert_eq!(read_bytes(&written).unwrap().packets, packets);
    }
}

#[test]
fn pipes_and_devices_are_written_straight() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = std::thread::spawn({
        let fifo = fifo.clone();
        move || {
            let mut bytes = Vec::new();
            File::open(fifo).unwrap().read_to_end(&mut bytes).map(|_| bytes).unwrap()
        }
    });
    let mut output = Output::create(&fifo).unwrap();
    output.write_all(b"through").unwrap();
    output.commit().unwrap();
    assert_eq!(reader.join().unwrap(), b"through");
    assert_eq!(files(folder.path()), ["fifo"]);

    let mut full = Output::create(Path::new("/dev/full")).unwrap();
    assert_eq!(full.write_all(b"x").unwrap_err().kind(), ErrorKind::StorageFull);
    let mut null = Output::create(Path::new("/dev/null")).unwrap();
    null.write_all(b"x").unwrap();
    null.commit().unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn a_closed_pipe_and_a_bad_target_are_errors() {
    let (receiver, sender) = io::pipe().unwrap();
    drop(receiver);
    let mut writer = Writer::new(sender, Compression::None).unwrap();
    assert_eq!(writer.write_all(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Output::create(folder.path()).err().unwrap().kind(), ErrorKind::IsADirectory);
    let nowhere = folder.path().join("no/such/folder");
    assert_eq!(Output::create(&nowhere).err().unwrap().kind(), ErrorKind::NotFound);
}

/// Interfaces and packets of a capture.
fn opened(bytes: &[u8]) -> (Vec<standin::capture::Interface>, Whole) {
    let mut reader = Reader::open(Box::new(Cursor::new(bytes.to_vec()))).unwrap();
    let mut batch = Default::default();
    while reader.next_batch(&mut batch).unwrap() {}
    (reader.interfaces().to_vec(), read_bytes(bytes).unwrap())
}

fn convert(converter: &Converter, packets: &[Seen]) -> Result<Vec<u8>, ConvertError> {
    let mut out = Vec::new();
    converter.header(&mut out);
    for seen in packets {
        let (link, interface, time_ns, wire_len) = (seen.link, seen.interface, seen.time_ns, seen.wire_len);
        let record = PacketRecord { link, interface, time_ns, wire_len, data: 0..seen.data.len() };
        let data = converter.packet(&record, &seen.data, &mut out)?;
        assert_eq!(out[data], seen.data[..]);
    }
    Ok(out)
}

#[test]
fn pcap_to_pcapng_and_back_is_the_same_file() {
    for (magic, fraction) in [(MICROS, 999_999), (NANOS, 999_999_999)] {
        let packets = vec![(u32::MAX, fraction, b"one".to_vec(), 9), (0, 0, vec![], 0)];
        let pcap = Pcap { order: Order::Little, magic, version: (2, 4), link: 113, packets };
        let (bytes, _) = pcap.build();
        let (interfaces, whole) = opened(&bytes);
        let pcapng = convert(&Converter::to_pcapng(&interfaces), &whole.packets).unwrap();
        let (described, converted) = opened(&pcapng);
        assert_eq!((&described, &converted.packets, converted.damage), (&interfaces, &whole.packets, None));
        assert!(is_marked(&pcapng[..converted.records[0]]));
        let back = convert(&Converter::to_pcap(&described).unwrap(), &converted.packets).unwrap();
        assert_eq!(back, bytes);
    }
}

#[test]
fn what_pcap_cannot_say_is_an_error() {
    let (bytes, _) = one_of_everything(Order::Big);
    let (interfaces, whole) = opened(&bytes);
    assert!(!is_marked(&bytes[..whole.records[0]]));
    // The second interface counts 2^-20 seconds; the offset puts the simple packet's time at 0.
    let nanos = Converter::to_pcap(&interfaces).unwrap();
    assert_eq!(convert(&nanos, &whole.packets[..3]).map(|out| out[..4].to_vec()), Ok(vec![0x4d, 0x3c, 0xb2, 0xa1]));
    // The last packet is 3,600 s before its clock's zero, which is 1970.
    assert_eq!(convert(&nanos, &whole.packets), Err(ConvertError::Time));

    assert_eq!(Converter::to_pcap(&[]).err(), Some(ConvertError::NoInterface));
    let mut others = interfaces.clone();
    others[1].link = 113;
    assert_eq!(Converter::to_pcap(&others).err(), Some(ConvertError::LinkTypes(1, 113)));
    let mut packet = whole.packets[0].clone();
    packet.link = 12;
    assert_eq!(convert(&nanos, &[packet.clone()]), Err(ConvertError::LinkTypes(1, 12)));
    packet.interface = 2;
    assert_eq!(convert(&Converter::to_pcapng(&interfaces), &[packet]), Err(ConvertError::UnknownInterface));

    let coarse = Converter::to_pcap(&interfaces[..1]).unwrap();
    assert_eq!(interfaces[0].resolution, Resolution::Decimal(6));
    let mut fine = whole.packets[0].clone();
    fine.time_ns += 1;
    assert_eq!(convert(&coarse, &[fine]), Err(ConvertError::FinerClock));
}
