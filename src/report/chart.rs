//! Charts as inline SVG: latency by percentile, whose axis is stretched towards the tail, where the differences are; and
//! values over time. Text takes the page's colour.

use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::document::{Chart, Curve, Scale};
use super::show::{bytes, count, micros};

const SIZE: (u32, u32) = (860, 340);
/// Told apart in light and dark, and by most people who see fewer colours.
const COLOURS: [RGBColor; 4] =
    [RGBColor(59, 130, 246), RGBColor(234, 138, 12), RGBColor(16, 160, 110), RGBColor(190, 80, 190)];

/// An `<svg>` element, or nothing when there is nothing to draw. Text takes the page's colour.
pub fn latency(curves: &[Curve]) -> Option<String> {
    let times = || curves.iter().flat_map(|curve| &curve.points).map(|(_, time)| time.max(1.0));
    let most = times().fold(f64::NAN, f64::max);
    let least = times().fold(f64::NAN, f64::min);
    if most.is_nan() {
        return None;
    }
    let mut svg = String::new();
    draw(&mut svg, curves, least * 0.8, most * 1.25).ok()?;
    Some(svg.replace("#000000", "currentColor"))
}

fn draw(svg: &mut String, curves: &[Curve], least: f64, most: f64) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let last = curves.iter().flat_map(|c| &c.points).map(|(quantile, _)| stretched(*quantile)).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(&area)
        .margin(14)
        .x_label_area_size(34)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..last, (least..most).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.35))
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|x| percentile(*x))
        .y_label_formatter(&|y| micros(*y))
        .label_style(("sans-serif", 13).into_font().color(&BLACK))
        .draw()?;
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let points = curve.points.iter().map(|(quantile, time)| (stretched(*quantile), time.max(1.0)));
        chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
    }
    for (n, (curve, colour)) in curves.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let y = 24 + n as i32 * 20;
        let style = ("sans-serif", 14).into_font().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&PathElement::new([(94, y), (118, y)], colour.stroke_width(3)))?;
        area.draw(&Text::new(curve.label.clone(), (126, y), style))?;
    }
    area.present()?;
    Ok(())
}

const SERIES_SIZE: (u32, u32) = (860, 230);

/// An `<svg>` element of something over time, or nothing when there is nothing to draw.
pub fn series(chart: &Chart) -> Option<String> {
    if !chart.is_worth_it() {
        return None;
    }
    let mut svg = String::new();
    draw_series(&mut svg, chart).ok()?;
    Some(svg.replace("#000000", "currentColor"))
}

fn draw_series(svg: &mut String, chart: &Chart) -> Result<(), Box<dyn std::error::Error>> {
    let points = || chart.lines.iter().flat_map(|line| line.pieces.iter().flatten());
    let first = points().map(|(at, _)| *at).fold(0.0, f64::min);
    let last = points().map(|(at, _)| *at).fold(first + 0.1, f64::max);
    let most = points().map(|(_, value)| *value).fold(0.0, f64::max);
    let area = SVGBackend::with_string(svg, SERIES_SIZE).into_drawing_area();
    let mut builder = ChartBuilder::on(&area);
    builder.margin(14).margin_top(30).x_label_area_size(28).y_label_area_size(78);
    if chart.scale == Scale::Micros {
        let least = points().map(|(_, value)| value.max(1.0)).fold(f64::INFINITY, f64::min);
        let axis = (least * 0.8..(most * 1.25).max(least * 2.0)).log_scale();
        draw_lines(builder.build_cartesian_2d(first..last, axis)?, chart)?;
    } else {
        draw_lines(builder.build_cartesian_2d(first..last, 0.0..(most * 1.1).max(1e-9))?, chart)?;
    }
    legend(&area, chart.lines.iter().map(|line| line.label.as_str()))?;
    area.present()?;
    Ok(())
}

type Drawn<'a, 'b, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<plotters::coord::types::RangedCoordf64, Y>>;

fn draw_lines<Y>(mut drawn: Drawn<'_, '_, Y>, chart: &Chart) -> Result<(), Box<dyn std::error::Error>>
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let value = |y: &f64| match chart.scale {
        Scale::Rate if 0.0 < *y && *y < 10.0 => format!("{y:.1}/s"),
        Scale::Rate => format!("{}/s", count(y.round() as u64)),
        Scale::Micros => micros(*y),
        Scale::Bytes => bytes(*y as u64),
        Scale::Cores => format!("{y:.2}"),
    };
    drawn
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.35))
        .x_labels(8)
        .y_labels(4)
        .x_label_formatter(&|x| if *x < 10.0 { format!("{x:.1} s") } else { format!("{x:.0} s") })
        .y_label_formatter(&value)
        .label_style(("sans-serif", 13).into_font().color(&BLACK))
        .draw()?;
    let floor = if chart.scale == Scale::Micros { 1.0 } else { 0.0 };
    for (line, colour) in chart.lines.iter().zip(COLOURS.iter().cycle()) {
        for piece in &line.pieces {
            let points = piece.iter().map(|(at, value)| (*at, value.max(floor)));
            match piece.len() {
                1 => drop(drawn.draw_series(points.map(|point| Circle::new(point, 2, colour.filled())))?),
                _ => drop(drawn.draw_series(LineSeries::new(points, colour.stroke_width(2)))?),
            }
        }
    }
    Ok(())
}

/// Names in a row above the chart.
fn legend<'a>(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    labels: impl Iterator<Item = &'a str>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut x = 94;
    for (label, colour) in labels.zip(COLOURS.iter().cycle()) {
        let style = ("sans-serif", 13).into_font().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&PathElement::new([(x, 17), (x + 20, 17)], colour.stroke_width(3)))?;
        area.draw(&Text::new(label.to_owned(), (x + 26, 17), style))?;
        x += 46 + 8 * label.chars().count() as i32;
    }
    Ok(())
}

/// 0, 0.9, 0.99, 0.999 … -> 0, 1, 2, 3 …
fn stretched(quantile: f64) -> f64 {
    -(1.0 - quantile.clamp(0.0, 0.999_999)).log10()
}

/// The other way, as a label.
fn percentile(stretched: f64) -> String {
    let decimals = (stretched.ceil() as usize).saturating_sub(2);
    format!("{:.decimals$} %", 100.0 * (1.0 - 10f64.powf(-stretched)))
}
