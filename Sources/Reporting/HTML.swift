/// Text for pages.
enum HTML {
    static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
        return result
    }

    /// Colours of strategies, one per position, for light and dark; and the rest of the page.
    static let style = """
        :root{--paper:#fdfdfb;--ink:#1c1d1f;--soft:#62666c;--rule:#dcdcd6;--wash:#f2f2ed;
        --mark:#b4452f;--c0:#0b6bcb;--c1:#8a5a00;--c2:#9a9a94;--c3:#2a8a4a;--c4:#7cb342;
        --c5:#c2185b;--c6:#a8a300;--c7:#6a3fb5;--c8:#00838f;--c9:#795548;--c10:#d32f2f;
        --c11:#ef9a9a;--c12:#1a237e;--c13:#7986cb;--c14:#004d40;--c15:#4db6ac}
        @media (prefers-color-scheme:dark){:root{--paper:#16181b;--ink:#e7e7e3;--soft:#9ba1a8;
        --rule:#33373c;--wash:#1f2226;--mark:#ff8a70;--c0:#5aa9ff;--c1:#d9a441;--c2:#85888c;
        --c3:#5ccb82;--c4:#b5e06a;--c5:#ff6f9f;--c6:#f0ee5a;--c7:#b39dff;--c8:#4dd0e1;
        --c9:#bc9a8c;--c10:#ff6b6b;--c11:#8f4a4a;--c12:#8c9eff;--c13:#4a5599;--c14:#5fd0b8;
        --c15:#2d6a60}}
        @media print{:root{--paper:#fff;--wash:#f6f6f3}body{font-size:10pt}figure,table,
        section>h3{break-inside:avoid}h2{break-before:page}nav{display:none}}
        *{box-sizing:border-box}body{margin:0 auto;max-width:1240px;padding:28px 20px 60px;
        background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
        h1{font-size:28px;margin:0 0 4px}h2{font-size:21px;margin:44px 0 4px;border-top:1px solid
        var(--rule);padding-top:22px}h3{font-size:16px;margin:26px 0 6px}p{margin:6px 0;
        max-width:78ch}.soft,figcaption,nav{color:var(--soft)}.verdict{font-size:18px;
        background:var(--wash);padding:14px 18px;border-left:4px solid var(--c0);margin:16px 0}
        .verdict p{margin:5px 0;max-width:none}.legend{max-width:none}.legend span{white-space:
        nowrap;margin-right:14px}.legend span span{margin-right:7px}nav a{color:inherit;
        margin-right:12px}ul{margin:4px 0;
        padding-left:20px}li{margin:2px 0;max-width:96ch}table{border-collapse:collapse;
        font-variant-numeric:tabular-nums;font-size:13.5px;margin:8px 0}th,td{padding:3px 10px;
        text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}th:first-child,
        td:first-child{text-align:left}th{color:var(--soft);font-weight:500}tr.standard td{
        font-weight:600}.wide{overflow-x:auto}.charts{display:grid;grid-template-columns:
        repeat(auto-fill,minmax(min(480px,100%),1fr));gap:8px 20px}figure{margin:6px 0}figcaption{
        font-size:13.5px}svg{width:100%;height:auto;display:block}.grid{stroke:var(--rule);
        stroke-width:.7;fill:none}.axis{stroke:var(--soft);fill:none}.tick,.name{fill:var(--soft);
        font-size:11px}.line{fill:none;stroke-width:1.5;stroke-linejoin:round}.strong{
        stroke-width:3.2}.theory{stroke:var(--soft);stroke-dasharray:5 4;stroke-width:1.3}.mark{
        stroke:var(--mark);stroke-dasharray:2 3}.span{fill:var(--mark);opacity:.13}.key{
        display:inline-block;width:16px;height:3px;margin:0 7px 4px 0;vertical-align:middle}
        .warn{color:var(--mark)}footer{margin-top:50px;border-top:1px solid var(--rule);
        padding-top:12px;color:var(--soft);font-size:13px}
        """

    static func colourStyles(_ count: Int) -> String {
        (0..<count).map { ".c\($0){stroke:var(--c\($0))}.key.c\($0){background:var(--c\($0))}" }
            .joined(separator: "\n")
    }

    /// - Parameter rows: the first is the heading; cells are HTML.
    static func table(_ rows: [[String]], standard: Int? = nil) -> String {
        guard let heading = rows.first else { return "" }
        var text = "<div class=\"wide\"><table>\n<tr>"
        text += heading.map { "<th>\($0)</th>" }.joined() + "</tr>\n"
        for (index, row) in rows.dropFirst().enumerated() {
            text += index == standard ? "<tr class=\"standard\">" : "<tr>"
            text += row.map { "<td>\($0)</td>" }.joined() + "</tr>\n"
        }
        return text + "</table></div>\n"
    }
}
