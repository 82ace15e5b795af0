//! Workbooks made by hand, and what is read of them.

use super::{super::zip::tests::archive, *};

const WORKBOOK: &str = r#"<?xml version="1.0"?><workbook xmlns:r="x"><workbookPr/><sheets>
    <sheet name="Notes" sheetId="1" r:id="rId7"/><sheet name="A &amp; B" sheetId="2" r:id="rId8"/>
    </sheets></workbook>"#;
const LINKS: &str = r#"<Relationships><Relationship Id="rId7" Target="worksheets/sheet1.xml"/>
    <Relationship Id="rId8" Target="/xl/worksheets/sheet2.xml"/></Relationships>"#;
const STRINGS: &str = "<sst><si><t>host</t></si><si><r><t>two </t></r><r><t>parts &lt;&#233;&gt;</t></r>\
    <rPh><t>spoken</t></rPh></si><si><t>seen</t></si></sst>";
const STYLES: &str = r#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd hh:mm"/>
    <numFmt numFmtId="165" formatCode="0.00 &quot;days&quot; [Red]"/></numFmts>
    <cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>
    <cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/></cellXfs>
    </styleSheet>"#;

fn workbook(sheet: &str) -> Vec<u8> {
    archive(&[
        ("xl/workbook.xml", WORKBOOK),
        ("xl/_rels/workbook.xml.rels", LINKS),
        ("xl/sharedStrings.xml", STRINGS),
        ("xl/styles.xml", STYLES),
        ("xl/worksheets/sheet1.xml", "<worksheet><sheetData/></worksheet>"),
        ("xl/worksheets/sheet2.xml", sheet),
    ])
}

fn csv_of(batch: &RecordBatch) -> String {
    let columns = batch.columns().iter().map(|column| {
        let texts = arrow::array::AsArray::as_string::<i32>(column);
        texts.iter().map(|text| text.unwrap_or("-").to_owned()).collect::<Vec<_>>()
    });
    let columns: Vec<Vec<String>> = columns.collect();
    let schema = batch.schema();
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let mut lines = vec![names.collect::<Vec<_>>().join("|")];
    for row in 0..batch.num_rows() {
        let cells = columns.iter().map(|column| column[row].as_str());
        lines.push(cells.collect::<Vec<_>>().join("|"));
    }
    lines.join("\n")
}

#[test]
fn cells_of_every_kind_are_text() {
    let sheet = r#"<worksheet><sheetData><row r="1"/>
        <row r="2"><c r="A2" t="s"><v>0</v></c><c r="B2" t="s"><v>2</v></c><c r="D2" t="str"><v>n</v></c></row>
        <row r="3"><c r="A3" t="s"><v>1</v></c><c r="B3" s="1"><v>46350</v></c><c r="D3"><v>0.1</v></c></row>
        <row r="4"><c r="B4" s="2"><v>46350.5</v></c><c r="C4" t="b"><v>1</v></c><c r="D4" t="e"><v>#N/A</v></c></row>
        <row r="5"><c t="inlineStr"><is><t>in line</t></is></c><c s="3"><v>7</v></c></row>
        <row r="6"><c r="D6"><f>1+2</f><v>3</v></c></row>
        </sheetData></worksheet>"#;
    let batch = read(&workbook(sheet), Some("A & B")).unwrap();
    assert_eq!(
        csv_of(&batch),
        "host|seen|column_3|n\n\
         two parts <é>|2026-11-24|-|0.1\n\
         -|2026-11-24T12:00:00Z|true|-\n\
         in line|7|-|-\n\
         -|-|-|3"
    );
}

#[test]
fn what_is_no_sheet_is_told() {
    let empty = workbook("<worksheet/>");
    assert_eq!(read(&empty, None), Err(malformed("its sheet is empty")));
    assert_eq!(
        read(&empty, Some("C")),
        Err(malformed("it has no sheet `C`; its sheets are `Notes`, `A & B`"))
    );
    let declared = workbook("<!DOCTYPE a [<!ENTITY b 'c'>]><worksheet/>");
    assert_eq!(read(&declared, Some("A & B")), Err(malformed("it has declarations")));
    let far = workbook(
        "<sheetData><row><c r=\"XFD1\"><v>1</v></c></row><row><c r=\"A2\"><v>1</v></c></row></sheetData>",
    );
    assert_eq!(read(&far, Some("A & B")).unwrap().num_columns(), 16_384);
    let row = "<row><c><v>1</v></c></row>".repeat(1300);
    let wide =
        workbook(&format!("<sheetData><row><c r=\"XFD1\"><v>1</v></c></row>{row}</sheetData>"));
    assert!(matches!(read(&wide, Some("A & B")), Err(SheetError::TooLarge(_))));
    assert_eq!(read(b"PK no archive", None), Err(malformed("it is no ZIP archive")));
}

#[test]
fn a_number_is_a_time_where_its_format_says_so() {
    for (code, shows) in [
        ("General", false),
        ("0.00", false),
        ("yyyy-mm-dd", true),
        ("[h]:mm", true),
        ("[Red]0", false),
        ("0\" days\"", false),
        ("\\d0", false),
        ("m/d/yy", true),
    ] {
        assert_eq!(shows_time(code), shows, "{code}");
    }
    let cells = |is_1904| Cells { strings: Vec::new(), times: Vec::new(), is_1904 };
    assert_eq!(cells(false).time(1.0).unwrap(), "1900-01-01");
    assert_eq!(cells(false).time(61.0).unwrap(), "1900-03-01");
    assert_eq!(cells(true).time(0.0).unwrap(), "1904-01-01");
    assert_eq!(cells(false).time(46_350.000_011_574).unwrap(), "2026-11-24T00:00:01Z");
    assert_eq!(cells(false).time(0.5).unwrap(), "12:00:00");
    assert_eq!(cells(false).time(1.5).unwrap(), "1900-01-01T12:00:00Z");
    assert_eq!(cells(false).time(-1.0), None);
    assert_eq!(cells(false).time(f64::NAN), None);
}
